// Where this gateway is found by others: what sketches and snippets are filled with.

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/;

/**
 * @typedef {{host: string, web: string, ws: string, webPort: string, mqttPort: string, mqttsPort:
 * string, known: boolean}} Place
 */

/**
 * The configured address, or else the one in the address bar; a board cannot reach "localhost",
 * so in its place comes
 * the computer's address in its network. `known`: it could be told.
 * @param {{url?: string, lan?: string, mqttPort?: string, mqttsPort?: string}} told by the page
 * @param {{protocol: string, hostname: string, port: string}} at the address bar
 * @returns {Place}
 */
export function placeOf(told, at) {
  const given = new URL(
    told.url || `${at.protocol}//${at.hostname}${at.port ? `:${at.port}` : ""}`,
  );
  const local = LOOPBACK.test(given.hostname);
  const host = local ? told.lan || "YOUR-COMPUTER" : given.hostname;
  const port = given.port ? `:${given.port}` : "";
  const path = given.pathname.replace(/\/$/, "");
  return {
    host,
    web: `${given.protocol}//${host}${port}${path}`,
    ws: `${given.protocol.replace("http", "ws")}//${host}${port}${path}`,
    webPort: given.port || (given.protocol === "https:" ? "443" : "80"),
    mqttPort: told.mqttPort ?? "1883",
    mqttsPort: told.mqttsPort ?? "",
    known: !local || Boolean(told.lan),
  };
}

/** This page's. */
export const place = () => placeOf(document.documentElement.dataset, location);
