// Keeps an open page up to date. Everything works without it: forms post, and reloading shows more.
"use strict";
(() => {
  const MOST_LINES = 500;

  const words = (seconds) => {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return `${s} s`;
    if (s >= 86400) return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
    if (s >= 3600) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 60)} min ${s % 60} s`;
  };

  // The clock of this machine may differ from the server's: time counts on from what was sent.
  const tick = () => {
    for (const one of document.querySelectorAll(".elapsed")) {
      if (!one.dataset.shown) one.dataset.shown = String(Date.now() - parse(one.textContent) * 1000);
      one.textContent = words((Date.now() - Number(one.dataset.shown)) / 1000);
    }
  };
  const parse = (text) => {
    const sizes = { s: 1, min: 60, h: 3600, d: 86400 };
    let sum = 0;
    for (const [, number, unit] of text.matchAll(/(\d+) (s|min|h|d)\b/g)) sum += number * sizes[unit];
    return sum;
  };
  setInterval(tick, 1000);

  const tail = document.getElementById("tail");
  if (tail) tail.scrollTop = tail.scrollHeight;

  const address = document.body.dataset.live;
  if (!address || !window.EventSource) return;
  const live = document.getElementById("live");
  const say = (text, on) => {
    if (live.textContent !== text) live.textContent = text;
    live.classList.toggle("on", on);
  };

  // A part in which somebody is writing waits until they have left it.
  const waiting = new Map();
  const isUsed = (element) => {
    const active = document.activeElement;
    return element.contains(active) && active.matches("input, select, button, summary");
  };
  const replace = (element, part) => {
    const open = [...element.querySelectorAll("details[open][data-keep]")].map((d) => d.dataset.keep);
    const scrolled = [...element.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    element.innerHTML = part.html;
    element.dataset.version = part.version;
    for (const one of element.querySelectorAll("details[data-keep]")) {
      if (open.includes(one.dataset.keep)) one.open = true;
    }
    element.querySelectorAll(".scroll").forEach((one, at) => { one.scrollLeft = scrolled[at] || 0; });
  };
  document.addEventListener("focusout", () => setTimeout(() => {
    for (const [element, part] of waiting) {
      if (!isUsed(element)) { waiting.delete(element); replace(element, part); }
    }
  }, 0));

  const line = (text, kind) => {
    const one = document.createElement("p");
    one.textContent = text;
    if (kind) one.className = kind;
    return one;
  };

  const events = new EventSource(address);
  events.onopen = () => say("live", true);
  events.onerror = () => say("reconnecting", false);
  events.addEventListener("part", (event) => {
    const part = JSON.parse(event.data);
    const element = document.getElementById(`part-${part.name}`);
    if (!element || element.dataset.version === part.version) return;
    if (isUsed(element)) waiting.set(element, part);
    else { waiting.delete(element); replace(element, part); }
  });
  let last = "";
  const append = (lines) => {
    const atEnd = tail.scrollHeight - tail.scrollTop - tail.clientHeight < 40;
    const tool = document.getElementById("tool");
    if (lines.length) tail.querySelector(".empty")?.remove();
    for (const said of lines) {
      if (said.from !== last) {
        last = said.from;
        tail.append(line(last, "muted from"));
      }
      tail.append(line(said.text, said.tool ? "tool" : ""));
      if (said.tool) tool.textContent = `Tool: ${said.text.slice(2)}`;
    }
    while (tail.childElementCount > MOST_LINES) tail.firstElementChild.remove();
    if (atEnd) tail.scrollTop = tail.scrollHeight;
  };
  // The first lines of a stream stand for all that the page shows.
  events.addEventListener("tail", (event) => {
    const lines = JSON.parse(event.data);
    if (!tail || !lines.length) return;
    tail.replaceChildren();
    last = "";
    append(lines);
    tail.scrollTop = tail.scrollHeight;
  });
  events.addEventListener("lines", (event) => { if (tail) append(JSON.parse(event.data)); });
  events.addEventListener("ended", () => {
    events.close();
    say("ended", false);
    const tool = document.getElementById("tool");
    if (tool) tool.textContent = "";
  });
  events.addEventListener("gone", () => { events.close(); location.reload(); });
})();
