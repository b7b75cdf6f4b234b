"use strict";
// The table of all items: filters, order, and twenty items at a time. Texts are set as text, never
// as markup. What is chosen stands in the address behind "#", so that a view can be passed on.
const STEP = 20;
const [ID, KIND, GROUP, TAGS, ORIGIN, TITLE, TURNS, REFERENCE, OWN, ANSWERS] = Array(10).keys();
const [REPLY, FLAG, ERROR, SCORES, QUALITY] = Array(5).keys();

function made(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function said(text) {
  const node = made("div", "text", text);
  node.dir = "auto";
  return node;
}

function badge(run) {
  const mark = run ? marks[1 + (run - 1) % (marks.length - 1)] : marks[0];
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg"), path = document.createElementNS(space, "path");
  for (const [key, value] of Object.entries({class: "badge", width: 13, height: 13,
    viewBox: "-6.5 -6.5 13 13", "aria-hidden": "true"})) svg.setAttribute(key, value);
  path.setAttribute("d", mark.path);
  path.setAttribute("fill", mark.colour);
  svg.append(path);
  return svg;
}

function figure(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value), digits = size < 10 ? 3 : size < 100 ? 1 : 0;
  const form = {minimumFractionDigits: digits, maximumFractionDigits: digits};
  return value.toLocaleString("en", form).replace("-", "−");
}

function card(item, data, metric) {
  const node = made("details", "item"), summary = made("summary"), body = made("div");
  const title = made("span", "title", item[TITLE] || item[ID]), scores = made("span", "scores");
  title.dir = "auto";
  const own = metric < 0 ? item[OWN] : metric;
  item[ANSWERS].forEach((answer, run) => {
    const one = made("span");
    one.append(badge(run), made("span", "hidden", data.runs[run] + ": "),
      figure(own < 0 ? null : answer[SCORES][own]));
    scores.append(one);
  });
  summary.append(title, scores);
  node.append(summary, body);
  const about = [item[ID], item[KIND], own < 0 ? "" : data.metrics[own],
    item[GROUP] && "group " + item[GROUP], ...item[TAGS], item[ORIGIN]];
  body.append(made("p", "muted small", about.filter(Boolean).join(" · ")));
  const turns = item[TURNS].map(([role, text]) => [role, text, "turn"]);
  const right = item[KIND] === "text" ? "text" : "reference";
  for (const [role, text, style] of [...turns, [right, item[REFERENCE], "turn right"]]) {
    if (!data.texts[text]) continue;
    const turn = made("div", style);
    turn.append(made("h5", "", role), said(data.texts[text]));
    body.append(turn);
  }
  item[ANSWERS].forEach((answer, run) => body.append(answered(answer, run, data)));
  return node;
}

function answered(answer, run, data) {
  const node = made("div", "turn answer"), head = made("h5");
  head.append(badge(run), data.runs[run]);
  if (answer[FLAG]) head.append(made("span", "flag", answer[FLAG]));
  node.append(head);
  if (answer[ERROR]) node.append(made("p", "bad", answer[ERROR]));
  const text = data.texts[answer[REPLY]];
  if (text.trim()) node.append(said(text));
  else if (!answer[FLAG]) node.append(made("p", "muted", "no text"));
  const told = data.metrics.map((name, i) => [name, answer[SCORES][i]]).filter(pair => pair[1] !== null);
  node.append(made("p", "muted small", told.map(([name, value]) => name + " " + figure(value)).join(", ")));
  return node;
}

function start(root) {
  const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const form = root.querySelector("form"), list = root.querySelector(".list");
  const status = root.querySelector(".status"), more = root.querySelector(".more");
  const fields = [...form.querySelectorAll("[data-key]")];
  const before = root.dataset.part + ".";
  let found = [], shown = 0, metric = -1, lowered = null;

  // How good an answer is, more is better; null where that is not known.
  const good = answer => {
    if (metric < 0) return answer[QUALITY];
    const value = answer[SCORES][metric];
    return value === null ? null : data.lower[metric] ? -value : value;
  };
  const changes = item => {
    const base = good(item[ANSWERS][0]);
    return item[ANSWERS].slice(1).map(good)
      .map(value => value === null || base === null ? 0 : value - base);
  };
  const tests = {
    changed: item => changes(item).some(by => Math.abs(by) > 1e-9),
    better: item => changes(item).some(by => by > 1e-9),
    worse: item => changes(item).some(by => by < -1e-9),
    differ: item => new Set(item[ANSWERS].map(answer => answer[REPLY])).size > 1,
    wrong: item => item[ANSWERS].some(answer => { const q = good(answer); return q !== null && q < 1; }),
    flagged: item => item[ANSWERS].some(answer => answer[FLAG]),
  };
  const mean = item => {
    const known = item[ANSWERS].map(good).filter(value => value !== null);
    return known.length ? known.reduce((a, b) => a + b) / known.length : null;
  };
  const widest = item => Math.max(0, ...changes(item).map(Math.abs));

  function finder(words) {
    if (!words) return () => true;
    lowered = lowered || data.texts.map(text => text.toLocaleLowerCase());
    const holds = lowered.map(text => text.includes(words));
    return item => holds[item[REFERENCE]] || item[TURNS].some(([, text]) => holds[text]) ||
      item[ANSWERS].some(answer => holds[answer[REPLY]]) ||
      (item[ID] + " " + item[ORIGIN]).toLocaleLowerCase().includes(words);
  }

  function chosen() {
    return Object.fromEntries(fields.map(field => [field.dataset.key, field.value]));
  }

  function apply() {
    const wish = chosen();
    metric = wish.metric ? data.metrics.indexOf(wish.metric) : -1;
    const holds = finder(wish.find.trim().toLocaleLowerCase());
    found = data.items.filter(item =>
      (metric < 0 || item[ANSWERS].some(answer => answer[SCORES][metric] !== null)) &&
      (!wish.tag || item[TAGS].includes(wish.tag)) && (!wish.kind || item[KIND] === wish.kind) &&
      (!wish.show || tests[wish.show](item)) && holds(item));
    const way = {worst: [mean, 1], best: [mean, -1], change: [widest, -1]}[wish.order];
    if (way) {
      const keyed = found.map(item => [way[0](item), item]);
      keyed.sort(([a], [b]) => a === null ? (b === null ? 0 : 1) : b === null ? -1 : (a - b) * way[1]);
      found = keyed.map(pair => pair[1]);
    }
    list.replaceChildren();
    shown = 0;
    show();
    keep(wish);
  }

  function show() {
    const next = found.slice(shown, shown + STEP).map(item => card(item, data, metric));
    list.append(...next);
    shown += next.length;
    more.hidden = shown >= found.length;
    const count = number => number.toLocaleString("en");
    status.textContent = found.length === data.items.length ? `${count(found.length)} items`
      : `${count(found.length)} of ${count(data.items.length)} items`;
    if (shown < found.length) status.textContent += `, the first ${count(shown)} shown`;
    const wish = chosen();  // a page in print holds what was looked for, not the first items of many
    const asked = ["find", "metric", "tag", "kind", "show"].some(key => wish[key]);
    root.classList.toggle("printed", asked || shown === data.items.length);
    return next;
  }

  function keep(wish) {
    const now = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    for (const [key, value] of Object.entries(wish)) {
      if (value) now.set(before + key, value); else now.delete(before + key);
    }
    const hash = now.toString();
    if (hash || location.hash.includes("=")) {
      try { history.replaceState(null, "", "#" + hash); } catch { /* some viewers forbid it */ }
    }
  }

  const wishes = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  for (const field of fields) field.value = wishes.get(before + field.dataset.key) || "";
  for (const field of fields) if (field.selectedIndex === -1) field.value = "";
  form.hidden = false;
  let waiting = 0;
  form.addEventListener("input", event => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, event.target.type === "search" ? 150 : 0);
  });
  form.addEventListener("reset", () => setTimeout(apply, 0));
  form.addEventListener("submit", event => event.preventDefault());
  more.addEventListener("click", () => { const next = show(); next[0].querySelector("summary").focus(); });
  apply();
  if (wishes.size && [...wishes.keys()].some(key => key.startsWith(before))) root.scrollIntoView();
}

document.querySelectorAll(".browser").forEach(start);
addEventListener("beforeprint", () => {
  for (const node of document.querySelectorAll("details")) node.open = true;
});
