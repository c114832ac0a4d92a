"use strict";
/* Language, theme, printing; words and colours for the other scripts. Nothing here reads HTML from data. */
const page = (() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  const listeners = [];
  const language = () => root.dataset.language;
  const say = (text) => (text === null || text === undefined ? "" : typeof text === "string" ? text : text[language()] || text.en || "");
  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const changed = () => {
    for (const element of document.querySelectorAll("[data-label-en]")) {
      element.setAttribute("aria-label", element.dataset["label" + (language() === "th" ? "Th" : "En")]);
      if (element.placeholder !== undefined) element.placeholder = element.getAttribute("aria-label");
    }
    for (const listener of listeners) listener();
  };
  const does = {
    language() { root.dataset.language = language() === "en" ? "th" : "en"; root.lang = language(); changed(); },
    theme() {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      changed();
    },
    print() { window.print(); },
  };
  for (const button of document.querySelectorAll("[data-does]")) button.addEventListener("click", does[button.dataset.does]);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
  document.addEventListener("DOMContentLoaded", changed);
  const zone = data.zone || "UTC";
  const clock = new Intl.DateTimeFormat("sv-SE", {
    timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", calendar: "gregory",
  });
  const money = (minor, unit) => {
    // exact for any size: minor units come as text where a number would not hold them
    const value = BigInt(minor), size = BigInt(unit), whole = (value < 0n ? -value : value) / size;
    const digits = String(unit).length - 1, rest = (value < 0n ? -value : value) % size;
    const grouped = whole.toString().replace(/\B(?=(\d{3})+$)/g, ",");
    return (value < 0n ? "-" : "") + grouped + (digits ? "." + rest.toString().padStart(digits, "0") : "");
  };
  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  return { data, say, colour, zone, money, element, language, when: (seconds) => clock.format(seconds * 1000), onChange: (f) => listeners.push(f) };
})();
