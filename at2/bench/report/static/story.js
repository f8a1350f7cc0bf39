// One run, step by step: what was trained, what was expected then, and what was true.

const CURVE_COLORS = ["#0b57d0", "#d9601a", "#2f8f4e", "#8a4fa3"];
let story = null;
let playing = null;

function openStory(number) {
  story = DATA.stories[number];
  const slider = byId("step");
  slider.max = story.standings.length - 1;
  slider.value = slider.max;
  const told = new Map();
  story.path = story.observations.map((seen, place) => {
    const key = String(seen.config_id);
    if (!told.has(key)) told.set(key, told.size);
    const before = place > 0 ? String(story.observations[place - 1].config_id) : null;
    return { ...seen, spent: place + 1, key, resumed: seen.epoch > 1 && before !== key };
  });
  story.order = [...told.keys()];
  story.colors = new Map();
  byId("curves-hint").textContent = story.expected
    ? "Coloured: the configurations that led then, the recommended one in bold. Dots are what was seen, lines with "
      + `${Math.round(100 * story.probability)} % bands what was expected, dotted lines the truth. Grey: trained and given up.`
    : "Dots are what was seen, coloured for the recommended configuration" + (story.truth ? "; dotted lines are the truth." : ".");
  drawStep();
}

function drawStep() {
  const step = Number(byId("step").value);
  byId("step-number").textContent = `${step} of ${story.standings.length - 1}`;
  byId("step-text").replaceChildren(...stepText(step));
  drawCurves(step);
  drawSchedule(step);
  drawStoryRegret(step);
}

function stepText(step) {
  const standing = story.standings[step];
  const said = [];
  if (step === 0) said.push("Before the first training, ");
  else {
    const seen = story.path[step - 1];
    said.push(`After epoch ${seen.epoch} of configuration ${seen.key}${seen.resumed ? " (resumed)" : ""}, `
      + (seen.failed || seen.value === null ? "which failed, " : `which showed ${story.metric} ${shortNumber(seen.value)}, `));
  }
  said.push("configuration ");
  const strong = element("strong", String(standing.config_id));
  const expected = standing.mean === null || standing.mean === undefined ? ""
    : standing.std === null ? ` (best value seen ${shortNumber(standing.mean)})`
      : ` (expected at best ${shortNumber(standing.mean)} \u00b1 ${Number(standing.std.toPrecision(2))})`;
  const truth = ` is recommended${expected}. In truth it is number ${standing.rank}`
    + `${story.n_config ? ` of ${story.n_config}` : ""}, with regret ${fixed(standing.regret, 4)}.`;
  return [said.join(""), strong, truth];
}

// A configuration keeps its colour for as long as it leads; the colours of those that no longer do are free again.
function keepColors(leading) {
  story.colors = new Map([...story.colors].filter(([key]) => leading.includes(key)));
  const free = CURVE_COLORS.filter((color) => ![...story.colors.values()].includes(color));
  leading.forEach((key) => { if (!story.colors.has(key)) story.colors.set(key, free.shift()); });
}

function curveTraces(step) {
  const traces = [];
  const done = story.path.slice(0, step).filter((seen) => seen.value !== null);
  const expected = story.expected ? story.expected[step] : null;
  const leading = expected ? expected.config_ids.map(String) : [String(story.standings[step].config_id)];
  keepColors(leading);
  const truth = story.truth
    ? new Map(story.truth.config_ids.map((id, k) => [String(id), story.truth.curves[k]])) : new Map();
  for (const key of story.order) {
    const own = done.filter((seen) => seen.key === key);
    if (!own.length || leading.includes(key)) continue;
    traces.push({ x: own.map((seen) => seen.epoch), y: own.map((seen) => seen.value), name: key, type: "scatter",
      mode: "lines+markers", line: { color: "#b9c2cd", width: 1.2 }, marker: { size: 3.5 },
      hovertemplate: `configuration ${key}, epoch %{x}: %{y:.4~g}<extra></extra>` });
  }
  if (story.truth && !leading.includes(String(story.truth.best))) {
    traces.push({ x: story.epochs, y: truth.get(String(story.truth.best)), type: "scatter", mode: "lines",
      line: { color: "#1b2430", width: 1.2, dash: "dot" }, name: "best",
      hovertemplate: `the best configuration, ${story.truth.best}: %{y:.4~g}<extra></extra>` });
  }
  leading.forEach((key, place) => {
    const color = story.colors.get(key) || "#6b7785";
    if (expected) traces.push(band(story.epochs, expected.low[place], expected.high[place], color, place ? 0.1 : 0.18));
    if (truth.has(key)) {
      traces.push({ x: story.epochs, y: truth.get(key), type: "scatter", mode: "lines", name: `truth ${key}`,
        line: { color, width: 1.3, dash: "dot" }, hovertemplate: `${key} in truth: %{y:.4~g}<extra></extra>` });
    }
    if (expected) {
      traces.push({ x: story.epochs, y: expected.mean[place], type: "scatter", mode: "lines", name: key,
        line: { color, width: place ? 2 : 3 }, hovertemplate: `<b>${key}</b> expected: %{y:.4~g}<extra></extra>` });
    }
    const own = done.filter((seen) => seen.key === key);
    traces.push({ x: own.map((seen) => seen.epoch), y: own.map((seen) => seen.value), type: "scatter",
      mode: expected ? "markers" : "lines+markers", name: `seen ${key}`, line: { color },
      marker: { color, size: 7, line: { color: "#fff", width: 1 } },
      hovertemplate: `<b>${key}</b>, epoch %{x} seen: %{y:.4~g}<extra></extra>` });
  });
  return traces;
}

// The axis stays put while the slider moves: it spans what was seen and what is true.
function valueRange() {
  const curves = story.truth ? story.truth.curves.flat() : [];
  const values = [...curves, ...story.path.map((seen) => seen.value)].filter((value) => value !== null);
  values.sort((one, two) => one - two);
  const at = (share) => values[Math.round(share * (values.length - 1))];
  const [low, high] = story.maximize === false ? [at(0), at(0.9)] : [at(0.1), at(1)];  // the worst part matters least
  const room = 0.1 * (high - low || 1);
  return [low - room, high + room];
}

// The names of the leading configurations at the right ends of their curves, kept apart.
function endLabels(step) {
  const expected = story.expected ? story.expected[step] : null;
  if (!expected) return [];
  const [low, high] = valueRange();
  const apart = 0.055 * (high - low);
  const ends = expected.config_ids.map((id, place) => ({ key: String(id), y: expected.mean[place][story.epochs.length - 1] }));
  ends.sort((one, two) => one.y - two.y);
  ends.forEach((end, k) => { end.y = Math.max(end.y, k ? ends[k - 1].y + apart : low); });
  [...ends].reverse().forEach((end, k) => { end.y = Math.min(end.y, high - (k + 0.5) * apart); });
  return ends.map(({ key, y }) => ({ x: 1, xref: "paper", xanchor: "left", y, yanchor: "middle",
    text: `<b>${key}</b>`, showarrow: false, font: { color: story.colors.get(key), size: 12.5 } }));
}

function drawCurves(step) {
  const end = story.n_epoch || Math.max(1, ...story.path.map((seen) => seen.epoch));
  const traces = curveTraces(step);
  Plotly.react(byId("plot-curves"), traces, layoutOf("", {
    xaxis: { title: { text: "epoch of the training" }, range: [0.5, end + 0.5] },
    yaxis: { title: { text: story.metric }, range: valueRange(), tickformat: "~g" },
    margin: { l: 54, r: 38, t: 30, b: 44 }, uirevision: story.label, annotations: endLabels(step),
  }), CONFIG);
}

function lineAt(step) {
  return [{ type: "line", x0: step, x1: step, yref: "paper", y0: 0, y1: 1, line: { color: "#1b2430", width: 1.2 } }];
}

function drawSchedule(step) {
  const rows = story.path;
  const place = byId("plot-schedule");
  place.parentElement.hidden = !rows.length;
  if (!rows.length) return;
  const trace = (chosen, marker, name) => ({
    x: chosen.map((seen) => seen.spent), y: chosen.map((seen) => seen.key), type: "scatter", mode: "markers", name, marker,
    text: chosen.map((seen) => `configuration ${seen.key}, epoch ${seen.epoch}${seen.resumed ? ", resumed" : ""}: `
      + (seen.value === null ? "failed" : shortNumber(seen.value))),
    hovertemplate: "%{text}<extra></extra>",
  });
  const color = rows.map((seen) => (seen.spent <= step ? AT2 : "#c9d6ea"));
  Plotly.react(place, [
    trace(rows, { symbol: "square", size: 6, color }, "trained"),
    trace(rows.filter((seen) => seen.resumed), { symbol: "circle-open", size: 12, color: "#d9601a", line: { width: 1.6 } }, "resumed"),
  ], layoutOf("trained, paused and resumed (ringed)", {
    xaxis: { title: { text: "epochs spent" }, range: [-0.5, rows.length + 1] },
    yaxis: { type: "category", automargin: true, categoryorder: "array", categoryarray: [...story.order].reverse(), showgrid: false,
      title: { text: "configuration" }, tickfont: { size: story.order.length > 24 ? 8 : 10.5 }, nticks: 30 },
    shapes: lineAt(step),
  }), CONFIG);
}

function drawStoryRegret(step) {
  const x = story.standings.map((_, place) => place);
  const line = (name, text, color, width) => ({
    x, y: story.standings.map((standing) => standing[name]), type: "scatter", mode: "lines", name: text,
    line: { color, width, shape: "hv" }, hovertemplate: `${text}: %{y:.4f}<extra></extra>`,
  });
  const known = story.standings.slice(1).flatMap((each) => [each.regret, each.best_seen_regret])
    .filter((value) => value !== null);
  const last = story.standings[story.standings.length - 1];
  const high = Math.max(0.02, 1.1 * Math.max(last.regret, ...known.slice(Math.min(8, known.length - 1)), 0));
  Plotly.react(byId("plot-story-regret"), [
    line("best_seen_regret", "best value seen", "#9aa6b4", 1.6), line("regret", "recommendation", AT2, 2.6),
  ], layoutOf("how good the choice truly was", {
    xaxis: { title: { text: "epochs spent" }, range: [-0.5, Math.max(1, x.length)] },
    yaxis: { title: { text: "normalized regret" }, range: [0, high], tickformat: "~g" }, shapes: lineAt(step),
    showlegend: true, legend: { x: 1, xanchor: "right", y: 1, bgcolor: "rgba(255,255,255,0.7)" },
  }), CONFIG);
}

function togglePlay() {
  const slider = byId("step");
  const stop = () => { clearInterval(playing); playing = null; byId("play").innerHTML = "&#9654;"; };
  if (playing) return stop();
  if (slider.value === slider.max) slider.value = 0;
  byId("play").innerHTML = "&#10074;&#10074;";
  playing = setInterval(() => {
    if (slider.value === slider.max) return stop();
    slider.value = Number(slider.value) + 1;
    drawStep();
    return undefined;
  }, 350);
  return undefined;
}

function startStories() {
  byId("story-missing").textContent = DATA.stories_missing || "";
  byId("story").hidden = !DATA.stories.length;
  if (!DATA.stories.length) return;
  fillSelect(byId("run"), DATA.stories.map((each, place) => [place, each.label]));
  byId("run").addEventListener("change", () => openStory(Number(byId("run").value)));
  byId("step").addEventListener("input", drawStep);
  byId("play").addEventListener("click", togglePlay);
  whenSeen(byId("story"), () => openStory(Number(byId("run").value)));
}
