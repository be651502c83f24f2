// Loads the words of the page's language. Each page imports this first.

import { speak } from "./text.js";

const language = document.documentElement.lang;
const answer = await fetch(`/static/${language}.json`);
speak(await answer.json(), language);
