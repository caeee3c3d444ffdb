// The page draws snapshots; all state is on the server, so a page opened later shows the same.

const byId = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const dollars = new Intl.NumberFormat("en", { style: "currency", currency: "USD" });
const monthName = new Intl.DateTimeFormat("en", { month: "short", year: "numeric", timeZone: "UTC" });
const waysInWords = { card: "endpoint", subscription: "Realtime" };

const shown = new Map(); // "demo_quote AAPL" -> { item, card, at, fetchedAt }
let choices = { symbols: [], dataTypes: [] };
let atEnd = false;

// Choices

function addOption(parent, name, value, { text, small, hint, checked }) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name, value, checked });
  const span = document.createElement("span");
  span.textContent = text;
  if (small) {
    const note = document.createElement("small");
    note.textContent = small;
    span.append(note);
  }
  label.title = hint;
  label.append(input, span);
  parent.append(label);
}

async function loadChoices() {
  choices = await (await fetch("choices")).json();
  choices.symbols.forEach(({ symbol, name }, i) => {
    addOption(byId("symbols"), "symbol", symbol, { text: symbol, hint: name, checked: i === 0 });
  });
  choices.dataTypes.forEach(({ name, title, ttl }, i) => {
    const hint = `fresh for ${ttl} s`;
    addOption(byId("data-types"), "dataType", name, { text: title, small: `${ttl} s`, hint, checked: i === 0 });
  });
}

async function send(method, body) {
  byId("problem").textContent = "";
  try {
    const answer = await fetch("cards", {
      method,
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.ok) return true;
    byId("problem").textContent = (await answer.json()).message;
  } catch {
    byId("problem").textContent = "The demo does not answer: is it still running?";
  }
  return false;
}

function announce(text) {
  byId("announcement").textContent = text;
}

const titleOf = (name) => choices.dataTypes.find((each) => each.name === name)?.title ?? name;

byId("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = Object.fromEntries(new FormData(event.target));
  if (await send("POST", body)) announce(`${body.symbol} ${titleOf(body.dataType)} added`);
});

byId("add-all").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  const way = new FormData(byId("add")).get("way");
  button.disabled = true;
  for (const { name } of choices.dataTypes) {
    for (const { symbol } of choices.symbols) {
      if (!shown.has(`${name} ${symbol}`)) await send("POST", { symbol, dataType: name, way });
    }
  }
  button.disabled = false;
  announce("All cards added");
});

// Drawing

const space = "http://www.w3.org/2000/svg";

function svg(viewBox, label, parts) {
  const element = document.createElementNS(space, "svg");
  element.setAttribute("viewBox", viewBox);
  element.setAttribute("preserveAspectRatio", "none");
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", label);
  for (const [name, path] of parts) {
    const part = document.createElementNS(space, "path");
    part.setAttribute("class", name);
    part.setAttribute("d", path);
    element.append(part);
  }
  return element;
}

function sparkline(prices) {
  const low = Math.min(...prices);
  const height = Math.max(...prices) - low || 1;
  const points = prices.map((price, i) => [
    (i / (prices.length - 1)) * 100,
    28 - ((price - low) / height) * 26,
  ]);
  const line = `M${points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L")}`;
  const [x, y] = points.at(-1);
  const label = `${prices.length} months, ${dollars.format(prices[0])} to ${dollars.format(prices.at(-1))}`;
  return svg("0 0 100 30", label, [
    ["area", `${line}L100 30L0 30Z`],
    ["line", line],
    ["dot", `M${x} ${y}l0.001 0`],
  ]);
}

function range({ year_low: low, year_high: high, price }) {
  const share = high > low ? (price - low) / (high - low) : 0.5;
  const box = document.createElement("div");
  box.className = "range";
  const label = `${dollars.format(price)}, in the past year between ${dollars.format(low)} and ${dollars.format(high)}`;
  box.append(svg("0 0 100 10", label, [
    ["track", "M1 5L99 5"],
    ["dot", `M${1 + share * 98} 5l0.001 0`],
  ]));
  const ends = document.createElement("p");
  for (const text of [`low ${dollars.format(low)}`, `high ${dollars.format(high)}`]) {
    const end = document.createElement("span");
    end.textContent = text;
    ends.append(end);
  }
  box.append(ends);
  return box;
}

// Cards

function makeCard(card) {
  const item = byId("card").content.firstElementChild.cloneNode(true);
  item.querySelector(".symbol").textContent = card.symbol;
  item.querySelector(".title").textContent = card.title;
  const remove = item.querySelector(".remove");
  remove.setAttribute("aria-label", `Remove ${card.symbol} ${card.title}`);
  remove.addEventListener("click", async () => {
    // A disabled button loses the focus, and the stream may take the card off before the answer.
    const hadFocus = item.contains(document.activeElement);
    const next = item.nextElementSibling ?? item.previousElementSibling;
    remove.disabled = true;
    if (await send("DELETE", { symbol: card.symbol, dataType: card.dataType })) {
      announce(`${card.symbol} ${card.title} removed`);
      drop(`${card.dataType} ${card.symbol}`);
      if (hadFocus) (next?.querySelector(".remove") ?? byId("cards")).focus();
    }
    remove.disabled = false;
  });
  return item;
}

function drop(name) {
  shown.get(name)?.item.remove();
  shown.delete(name);
  byId("empty").hidden = shown.size > 0;
}

function drawRow(item, card) {
  const { row } = card;
  const change = row.year_change ?? row.change;
  const period = row.year_change === undefined ? "month" : "year";
  item.querySelector(".price").textContent = dollars.format(row.price);
  const sign = item.querySelector(".change");
  const note = document.createElement("small");
  note.textContent = ` in a ${period}`;
  sign.replaceChildren(`${change > 0 ? "+" : ""}${change.toFixed(1)}%`, note);
  sign.dataset.sign = change < 0 ? "down" : "up";
  item.querySelector(".drawing").replaceChildren(row.history ? sparkline(row.history) : range(row));
}

function viewersInWords({ viewers, ways }) {
  const by = ways.map((way) => waysInWords[way]).join(", ");
  if (!viewers) return "nobody watches";
  return `${viewers} ${viewers === 1 ? "viewer" : "viewers"}${by && ` · ${by}`}`;
}

function drawCard(card) {
  const name = `${card.dataType} ${card.symbol}`;
  let entry = shown.get(name);
  if (!entry) {
    entry = { item: makeCard(card) };
    shown.set(name, entry);
    byId("cards").append(entry.item);
  }
  const { item } = entry;
  drawStatus(item, card.status);
  item.classList.toggle("unwatched", !card.viewers);
  item.querySelector(".viewers").textContent = viewersInWords(card);
  const problem = item.querySelector(".error");
  problem.hidden = !card.error;
  problem.textContent = card.error ?? "";
  if (card.row && card.row.fetched_at !== entry.fetchedAt) {
    drawRow(item, card);
    if (entry.fetchedAt) {
      item.classList.remove("updated");
      void item.offsetWidth; // starts the animation anew
      item.classList.add("updated");
    }
    entry.fetchedAt = card.row.fetched_at;
  }
  Object.assign(entry, { card, at: performance.now() });
}

function seconds(value) {
  if (value >= 60) return `${Math.floor(value / 60)} min`;
  return still.matches ? `${Math.round(value)} s` : `${value.toFixed(1)} s`;
}

function drawStatus(item, status) {
  item.dataset.status = status;
  item.querySelector(".status").textContent = status;
}

function drawTimes() {
  const isLive = byId("connection").dataset.state === "live";
  for (const { item, card, at } of shown.values()) {
    const passed = (performance.now() - at) / 1000;
    const left = card.fresh_for === null ? 0 : Math.max(card.fresh_for - passed, 0);
    // Nobody tells us, and still we know.
    if (!isLive && card.status === "fresh" && left === 0) drawStatus(item, "stale");
    const age = card.age === null ? null : Math.max(card.age + passed, 0);
    item.querySelector(".countdown span").style.transform =
      `scaleX(${Math.min(left / card.ttl, 1).toFixed(3)})`;
    const month = card.row ? ` · ${monthName.format(new Date(card.row.traded_on))}` : "";
    item.querySelector(".age").textContent =
      age === null ? "no data yet"
      : left > 0 ? `${seconds(age)} old, fresh for ${seconds(left)}${month}`
      : `${seconds(age)} old${month}`;
  }
}

// Figures

function drawFigures(figures) {
  const values = {
    ...figures,
    interests: figures.cards + figures.subscriptions,
    fresh_percent: figures.fresh_share === null ? null : Math.round(figures.fresh_share * 1000) / 10,
  };
  for (const element of document.querySelectorAll("[data-figure]")) {
    const value = values[element.dataset.figure];
    element.textContent = value === null ? "–" : value;
    element.dataset.shownUnit = value === null ? "" : element.dataset.unit ?? "";
  }
  for (const element of document.querySelectorAll("[data-zero]")) {
    element.classList.toggle("alarm", values[element.dataset.zero] > 0);
  }
}

function drawRecent(recent) {
  byId("no-refresh").hidden = recent.length > 0;
  const items = recent.map(({ symbol, title, kind, milliseconds, message }) => {
    const item = document.createElement("li");
    item.dataset.kind = kind;
    const what = document.createElement("span");
    what.textContent = `${symbol} ${title}`;
    const how = document.createElement("span");
    how.textContent = `${kind} in ${milliseconds} ms`;
    item.append(what, how);
    if (message) {
      const reason = document.createElement("p");
      reason.textContent = message;
      item.append(reason);
    }
    return item;
  });
  byId("recent").replaceChildren(...items);
}

// Stream

function connection(state, text) {
  const element = byId("connection");
  if (element.dataset.state === state && element.textContent === text) return;
  element.dataset.state = state;
  element.textContent = text;
}

function draw({ cards, figures, recent }) {
  const present = new Set(cards.map((card) => `${card.dataType} ${card.symbol}`));
  for (const name of [...shown.keys()]) if (!present.has(name)) drop(name);
  cards.forEach(drawCard);
  byId("empty").hidden = cards.length > 0;
  drawFigures(figures);
  drawRecent(recent);
  drawTimes();
}

const stream = new EventSource("events");
stream.addEventListener("message", (event) => {
  connection("live", "live");
  draw(JSON.parse(event.data));
});
stream.addEventListener("outage", () => connection("lost", "database away, trying again"));
stream.addEventListener("error", () => {
  if (!atEnd) connection("lost", "connection lost, trying again");
});
stream.addEventListener("end", () => {
  atEnd = true;
  stream.close();
  connection("lost", "the demo has ended");
});

function tick() {
  drawTimes();
  setTimeout(tick, still.matches ? 1000 : 100);
}

await loadChoices();
tick();
