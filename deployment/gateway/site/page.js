// Asks the page's service what it found, and says it: evidence, or in words why there is none. Nothing is made up here.

const SVG = "http://www.w3.org/2000/svg";
const SAID = {
  shown: ["Live", "good"], empty: ["Nothing yet", "quiet"], not_started: ["Not started", "warn"],
  failed: ["Failed", "bad"], pending: ["Looking…", "quiet"],
};
const HEALTH = { healthy: "good", runs: "good", down: "bad", absent: "bad", unseen: "quiet" };
const RUN = { success: "good", failed: "bad", running: "warn", queued: "quiet" };
const numbers = new Intl.NumberFormat("en");
const $ = (id) => document.getElementById(id);

/** An element; text is text, never markup. */
function h(tag, properties = {}, ...children) {
  const element = tag === "svg" || properties.svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name !== "svg" && value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const shape = (tag, properties) => h(tag, { ...properties, svg: true });
const clock = (instant) => h("time", { datetime: instant }, new Date(instant).toLocaleTimeString("en-GB"));

/** `35 ms`, `1.25 s`, `2.1 min`, `3.4 h`, `5.6 d`. */
function duration(ms) {
  const units = [[864e5, "d"], [36e5, "h"], [6e4, "min"], [1e3, "s"]];
  const [size, unit] = units.find(([size]) => Math.abs(ms) >= size) ?? [1, "ms"];
  return `${unit === "ms" ? Math.round(ms) : Number((ms / size).toPrecision(3))} ${unit}`;
}

// --- asking ---

/** One question. What goes wrong on the way is an answer, too: old evidence is never left standing as if it were new. */
async function ask(name, options) {
  try {
    const answer = await fetch(`first-page/${name}`, { cache: "no-store", signal: AbortSignal.timeout(10_000), ...options });
    if (answer.ok) return await answer.json();
    const problem = await answer.json().catch(() => ({}));
    return failed(problem.detail ?? `This page’s service does not answer (status ${answer.status}).`);
  } catch (error) {
    return failed(`This page’s service does not answer (${error.name}).`);
  }
}

const failed = (why) => ({ state: "failed", why, remedy: "make logs s=first-page", data: {}, as_of: new Date().toISOString() });

/** Ask again and again while somebody looks; draw when something is new. */
function follow(name, seconds, draw) {
  let before, timer;
  const turn = async () => {
    clearTimeout(timer);
    if (!document.hidden) {
      const answer = await ask(name);
      const { as_of: asOf, ...said } = answer;
      const now = JSON.stringify(said);
      if (now !== before) draw(answer);
      else for (const time of document.querySelectorAll(`#${name} .said time`)) time.replaceWith(clock(asOf));
      before = now;
      clearTimeout(timer);
      timer = setTimeout(turn, 1_000 * (answer.state === "pending" ? 1 : seconds));
    }
  };
  document.addEventListener("visibilitychange", turn);
  turn();
  return turn;
}

/** A step: what is said of it, then its evidence. */
function step(name, render) {
  const place = document.querySelector(`#${name} .evidence`);
  return (answer) => {
    let [word, tone] = SAID[answer.state];
    let line = answer.why, body = [];
    if (answer.state === "shown") ({ word = word, tone = tone, line, body } = render(answer.data));
    const said = h("p", { class: "said", "data-tone": tone }, h("b", {}, word), h("span", {}, line), clock(answer.as_of));
    const remedy = answer.remedy ? [h("p", { class: "note", "data-tone": tone }, ...command(answer.remedy))] : [];
    place.replaceChildren(said, ...body, ...remedy);
  };
}

/** A remedy, with the command in it as code. */
function command(text) {
  const found = text.match(/^(.*?)(make [a-z-]+(?: [a-zA-Z]+=[\w-]+)?)(.*)$/s);
  return found ? [found[1], h("code", {}, found[2]), found[3]] : [text];
}

// --- what runs ---

/** Shown only where the streams are known to be away: health comes later than some of the evidence. */
const unlessStreaming = (...words) => h("p", { class: "note unless-streaming", "data-tone": "warn" }, ...words, h("code", {}, "make up PROFILE=streaming"));
const streams = () => document.body.dataset.streaming === "true";

function drawHealth(answer) {
  const summary = $("summary");
  const say = (tone, text) => { summary.dataset.tone = tone; summary.textContent = text; };
  if (answer.state !== "shown") {
    say(answer.state === "pending" ? "quiet" : "bad", answer.state === "pending" ? "Looking…" : "The stack cannot be seen");
    $("parts").replaceChildren(h("p", { class: "note", "data-tone": SAID[answer.state][1] }, answer.why, " ", ...command(answer.remedy)));
    return;
  }
  const { parts, healthy, judged, faults } = answer.data;
  if (faults.length) say("bad", `Not healthy: ${faults.length > 3 ? `${faults.length} services` : faults.join(", ")}`);
  else say("good", `${healthy} of ${judged} services healthy`);
  $("parts").replaceChildren(...parts.map(part));
  const started = Object.fromEntries(parts.map((one) => [one.name, one.started]));
  document.body.dataset.streaming = started.streaming;
  drawDoors(started, parts);
  drawButton();
}

function part({ name, started, start, faults, services }) {
  const well = started && !faults.length;
  const [word, tone] = !started ? ["not started", "warn"] : well ? ["healthy", "good"] : [`${faults.length} not healthy`, "bad"];
  const head = h("h3", {}, name, h("span", { "data-tone": tone }, word));
  const body = started
    ? h("ul", {}, ...services.map(service))
    : h("p", { class: "hint" }, services.map((one) => one.name).join(", "), ". Start: ", h("code", {}, start));
  return h("article", { class: "part", "data-name": name, "data-started": started }, head, body);
}

function service({ name, what, health, detail }) {
  const dot = h("span", { class: "dot", "data-tone": HEALTH[health], "data-shape": health === "healthy" ? "disc" : "ring", "aria-hidden": "true" });
  const bad = HEALTH[health] === "bad" ? h("b", { "data-tone": "bad" }, `${name}: ${health}`) : h("b", {}, name);
  return h("li", { "data-health": health }, dot, h("span", {}, bad, ` ${what} `, h("small", {}, `— ${detail}`)));
}

// --- doors ---

let ports = {};

function drawDoors(started, parts) {
  for (const door of document.querySelectorAll("[data-door]")) {
    const { door: name, part: of } = door.dataset, link = door.querySelector("a"), open = started[of] && ports[name];
    if (open) link.href = `${location.protocol}//${location.hostname}:${ports[name]}/`;
    else link.removeAttribute("href");
    door.querySelector(".closed")?.remove();
    const start = parts.find((one) => one.name === of).start;
    if (!started[of]) door.append(h("p", { class: "closed" }, "Not started: ", h("code", {}, start)));
    else if (!open) door.append(h("p", { class: "closed" }, "It has no door here: ", h("code", {}, "make up"), " prints what has one."));
  }
}

// --- the five steps ---

const HOPS = {
  "produced": "Produced", "kafka": "Kafka", "flink customer": "Flink: customer", "flink product": "Flink: product",
  "redis customer": "Redis: customer", "redis product": "Redis: product", "redis now": "Redis now", "read": "Read to answer",
  "decision": "Decision", "lake bronze": "Lake: bronze", "lake silver": "Lake: silver",
};

const drawPath = step("path", ({ hops, action, customer_id: customer, product_id: product, mismatches }) => {
  const at = Object.fromEntries(hops.filter((hop) => hop.at).map((hop) => [hop.hop, Date.parse(hop.at)]));
  const origin = at.produced, longest = Math.max(...Object.values(at).map((ms) => ms - origin), 10);
  const x = (ms) => (100 * Math.log10(1 + Math.max(ms - origin, 0))) / Math.log10(1 + longest);
  const rows = hops.map((hop) => {
    const timed = hop.delay_ms !== null;
    const [from, to] = timed ? [x(at[hop.since]), x(at[hop.hop])].sort((a, b) => a - b) : [0, 0];
    const bar = h("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
      shape("rect", { class: "ground", width: 100, height: 6 }),
      shape("rect", { class: "fill", x: from, width: Math.max(to - from, 0.7), height: 6 }));
    const right = h("span", { class: hop.no_evidence ? "delay none" : "delay" }, hop.no_evidence ? "none" : timed ? duration(hop.delay_ms) : "seen");
    const words = h("small", {}, hop.no_evidence ?? hop.evidence);
    return h("li", { "data-timed": timed }, h("span", {}, HOPS[hop.hop]), timed ? h("span", { class: "track" }, bar) : null, right, words);
  });
  const missing = hops.filter((hop) => hop.no_evidence).length;
  const what = `${/^[aeiou]/.test(action) ? "An" : "A"} ${action}${product === null ? "" : ` of product ${product}`} by household ${customer} at ${new Date(origin).toLocaleTimeString("en-GB")}, seen at ${hops.length - missing} of ${hops.length} hops.`;
  const hint = missing ? [unlessStreaming("Flink and the lake’s stream are not started: ")] : [];
  const wrong = mismatches.length ? { word: "The trace breaks", tone: "bad" } : missing ? { word: "In part", tone: "warn" } : {};
  return { ...wrong, line: what, body: [h("ol", { class: "hops" }, ...rows), ...hint] };
});

const drawShelf = step("shelf", (shelf) => {
  const clicked = new Set(shelf.clicked.map((one) => one.product_id));
  const card = (gone) => (item) => {
    const { rank, other_rank: other } = item, by = other === null ? null : gone ? 0 : other - rank;
    const [text, tone] = other === null ? [gone ? "gone" : "new", gone ? "quiet" : "good"] : by > 0 ? [`▲ ${by}`, "good"] : by < 0 ? [`▼ ${-by}`] : [""];
    return h("li", { "data-clicked": clicked.has(item.product_id), title: item.reason }, h("span", {}, rank),
      h("span", { class: "name" }, (item.name ?? `product ${item.product_id}`).toLowerCase()), h("span", { class: "moved", "data-tone": tone }, text));
  };
  const list = (title, items, gone) => h("div", {}, h("h4", {}, title), h("ol", {}, ...items.map(card(gone))));
  const body = [h("div", { class: "shelves" }, list("Before", shelf.before, true), list("After", shelf.after, false))];
  const [before, after] = shelf.of_category, what = `Household ${shelf.customer_id} looked at ${clicked.size} × ${shelf.category.toLowerCase()}`;
  if (shelf.wait_ms === null) return { word: "Did not move", tone: "bad", line: `${what}, and no answer knew of it in time.`, body };
  return { word: "Moved", line: `${what}: ${before} → ${after} of 10 on the shelf, ${duration(shelf.wait_ms)} after Kafka had the last click.`, body };
});

const drawRuns = step("runs", ({ dags }) => {
  const chip = (run) => {
    const took = run.start_date && run.end_date ? duration(Date.parse(run.end_date) - Date.parse(run.start_date)) : "…";
    const began = run.start_date ? new Date(run.start_date).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }) : "not begun";
    return h("li", { "data-tone": RUN[run.state] ?? "quiet" }, h("b", {}, run.state), ` ${took}`, h("small", {}, `${run.run_type}, ${began}`));
  };
  const rows = dags.map(({ dag, runs }) => h("div", {}, h("h4", {}, dag), runs.length ? h("ul", {}, ...runs.map(chip)) : h("p", { class: "hint" }, "has not run")));
  const last = dags.flatMap(({ runs }) => runs.slice(0, 1)), bad = last.filter((run) => run.state === "failed").length;
  return { ...(bad ? { word: "A run failed", tone: "bad" } : {}), line: "The last runs, the newest first.", body: [h("div", { class: "dags" }, ...rows)] };
});

const drawGate = step("gate", (gate) => {
  const [low, high] = [0.85, 1.4], x = (ratio) => (100 * (Math.min(Math.max(ratio, low), high) - low)) / (high - low);
  const rows = gate.ratios.map(({ name, ratio, low: from, high: to }) => h("div", { class: "ratio" }, h("span", {}, name),
    h("svg", { viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" },
      shape("rect", { class: "ground", y: 7, width: 100, height: 6 }),
      shape("rect", { class: "fill", x: x(from), y: 7, width: Math.max(x(to) - x(from), 0.7), height: 6 }),
      shape("rect", { class: "fill", x: x(ratio) - 0.35, y: 2, width: 0.7, height: 16 }),
      shape("line", { class: "one", x1: x(1), x2: x(1), y1: 0, y2: 20 }),
      shape("line", { class: "bound", x1: x(gate.bound), x2: x(gate.bound), y1: 0, y2: 20 })),
    h("span", { class: "figure" }, `${ratio.toFixed(3)}× [${from.toFixed(3)}, ${to.toFixed(3)}]`)));
  const served = gate.served === null ? "the API does not answer" : gate.served.version === null ? "nothing" : `version ${gate.served.version}${gate.served.stale ? ", the registry is out of sight" : ""}`;
  const facts = { "aliases": gate.aliases.join(", "), "champion": gate.champion === null ? "none" : `version ${gate.champion}`, "served now": served,
    "kind": gate.kind, "history up to": gate.cutoff, "features": gate.features, "with live clicks": gate.live_ratio === null ? null : `${gate.live_ratio.toFixed(2)}× the nightly list` };
  const list = h("dl", { class: "facts" }, ...Object.entries(facts).filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  const verdict = gate.passed ? { word: `Version ${gate.version} passed`, line: `against the best peer; the bound (amber) is ${gate.bound.toFixed(2)}×.` }
    : { word: `Version ${gate.version} was refused`, tone: "bad", line: gate.verdict.replace(/^refused: /, "") + "." };
  return { ...verdict, body: [...rows, list] };
});

const drawLedger = step("ledger", (books) => {
  const columns = [["sent", "in Kafka"], ["waiting", "wait"], ["lost", "lost"], ["doubled", "doubled"], ["silver", "silver"], ["duplicate", "repeats"], ["late", "late"], ["quarantine", "refused"]];
  const cell = (one, name) => h("td", { "data-tone": ["lost", "doubled"].includes(name) && one[name] ? "bad" : undefined }, numbers.format(one[name]));
  const row = (one) => h("tr", {}, h("th", { scope: "row" }, one.topic), ...columns.map(([name]) => cell(one, name)));
  const sum = Object.fromEntries(columns.map(([name]) => [name, books.topics.reduce((total, one) => total + one[name], 0)]));
  const table = h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "topic"), ...columns.map(([, title]) => h("th", { scope: "col" }, title)))),
    h("tbody", {}, ...books.topics.map(row)), h("tfoot", {}, row({ topic: "all", ...sum })));
  const body = [h("div", { class: "scroll", role: "region", "aria-label": "The books of each topic", tabindex: 0 }, table)];
  const judged = numbers.format(books.judged), waiting = numbers.format(books.waiting);
  if (!books.judged) {
    body.push(unlessStreaming("The lake’s stream is not started: "));
    return { word: "Not judged", tone: "warn", line: `Nothing of it is in the lake yet: ${waiting} events wait in Kafka.`, body };
  }
  if (!books.balanced) return { word: "Does not balance", tone: "bad", line: `Of ${judged} events ${numbers.format(books.lost)} are lost and ${numbers.format(books.doubled)} doubled.`, body };
  return { word: "Balances", line: `${judged} events judged, none lost, none doubled; ${waiting} wait.`, body };
});

// --- the button ---

let visiting = false;

function drawButton(note) {
  $("visit").disabled = visiting || !streams();
  if (note !== undefined) $("visit-note").replaceChildren(...command(note));
}

const askPath = follow("path", 10, drawPath);
const askShelf = follow("shelf", 5, (answer) => {
  visiting = answer.state === "pending";
  drawShelf(answer);
  drawButton(visiting ? "" : undefined);
  if (answer.data.event_id) askPath();
});

$("visit").addEventListener("click", async () => {
  visiting = true;
  drawButton("");
  const answer = await ask("visit", { method: "POST" });
  visiting = false;
  drawButton(answer.state === "failed" ? answer.why : "");
  await askShelf();
});

// --- begin ---

$("origin").textContent = location.origin;
ask("doors").then((answer) => { ports = Object.fromEntries((answer.doors ?? []).map(({ name, port }) => [name, port])); })
  .then(() => follow("health", 5, drawHealth));
follow("runs", 10, drawRuns);
follow("gate", 20, drawGate);
follow("ledger", 15, drawLedger);
