"""`python -m benchmarks`. Its worker processes import this file too: what it needs it imports when
it is called.
"""

if __name__ == "__main__":
    import typer

    from benchmarks.report import main

    typer.run(main)
