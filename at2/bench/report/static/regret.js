// Regret against epochs and against seconds, for the chosen comparison and target.

const N_SHOWN = 6;
const shown = new Set();

function chooseShown(comparison) {
  shown.clear();
  comparison.rows.filter((row) => row.regret !== null).slice(0, N_SHOWN).forEach((row) => shown.add(row.rival));
  comparison.rows.filter((row) => isOwn(row.rival)).forEach((row) => shown.add(row.rival));
}

function drawChips(comparison, redraw) {
  const ordered = [...comparison.rows].sort((one, two) => isOwn(two.rival) - isOwn(one.rival));
  byId("rivals").replaceChildren(...ordered.map((row) => {
    const chip = element("button", row.rival, { type: "button", "aria-pressed": shown.has(row.rival) });
    chip.style.setProperty("--own", colorOf(row.rival));
    chip.addEventListener("click", () => {
      if (!shown.delete(row.rival)) shown.add(row.rival);
      chip.setAttribute("aria-pressed", shown.has(row.rival));
      redraw();
    });
    return chip;
  }));
}

function regretTraces(axis, target, measure) {
  const curves = axis.curves[target] || {};
  const names = Object.keys(curves).filter((rival) => shown.has(rival)).sort((one, two) => isOwn(one) - isOwn(two));
  const bands = [], lines = [];
  for (const rival of names) {
    const { mean, low, high } = curves[rival][measure];
    const color = colorOf(rival);
    if (low.length) bands.push(band(axis.grid, low, high, color, isOwn(rival) ? 0.16 : 0.07));
    lines.push({
      x: axis.grid, y: mean, name: rival, type: "scatter", mode: "lines",
      line: { color, width: isOwn(rival) ? 3.2 : 1.8, shape: "hv" },
      customdata: axis.grid.map((_, k) => (low.length && low[k] !== null
        ? ` [${fixed(Math.max(0, low[k]), 4)}, ${fixed(high[k], 4)}]` : "")),
      hovertemplate: `<b>${rival}</b> %{y:.4f}%{customdata}<extra></extra>`,
    });
  }
  return [...bands, ...lines];
}

function highestRegret(traces) {
  const lines = traces.filter((trace) => trace.name);
  const early = lines.flatMap((trace) => trace.y.filter((value) => value !== null).slice(2));
  return Math.max(0.02, ...early) * 1.08;
}

function drawRegret(comparison, target, measure) {
  for (const name of ["epochs", "seconds"]) {
    const place = byId(`plot-${name}`);
    const axis = comparison.axes.find((each) => each.name === name);
    place.parentElement.hidden = !axis;
    if (!axis) continue;
    const traces = regretTraces(axis, target, measure);
    const log = name === "seconds";
    Plotly.react(place, traces, layoutOf(`against ${name}`, {
      xaxis: { title: { text: axis.title }, type: log ? "log" : "linear", ...(log ? { dtick: 1 } : {}) },
      yaxis: { title: { text: "normalized regret" }, range: [0, highestRegret(traces)], tickformat: "~g" },
    }), CONFIG);
  }
  byId("notes").replaceChildren(...comparison.notes.map((note) => element("li", note)));
}
