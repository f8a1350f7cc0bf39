// Ranks, the table of standings and that of costs.

function drawRanks(comparison) {
  const rows = comparison.rows.filter((row) => row.rank !== null).sort((one, two) => two.rank - one.rank);
  const half = comparison.critical_difference === null ? 0 : comparison.critical_difference / 2;
  byId("ranks-hint").textContent = !rows.length ? "No case was played by all rivals."
    : half ? `1 is best. Two whose bars do not overlap differ: by more than the critical difference of ${
      fixed(comparison.critical_difference, 2)} (Nemenyi, 95 %).` : "1 is best. One case gives no critical difference.";
  const place = byId("plot-ranks");
  place.style.height = `${70 + 24 * rows.length}px`;
  Plotly.react(place, [{
    x: rows.map((row) => row.rank), y: rows.map((row) => row.rival), type: "scatter", mode: "markers",
    marker: { size: 11, color: rows.map((row) => colorOf(row.rival)) },
    error_x: { type: "constant", value: half, color: "#9aa6b4", thickness: 1.6, width: 0, visible: half > 0 },
    hovertemplate: "<b>%{y}</b> average rank %{x:.2f}<extra></extra>",
  }], layoutOf("", {
    xaxis: { title: { text: "average rank" } },
    yaxis: { type: "category", automargin: true, tickfont: { size: 12 }, gridcolor: "#f0f3f6" },
    margin: { l: 60, r: 14, t: 8, b: 42 },
  }), CONFIG);
}

const interval = (row) => (row.regret_half_width === null ? "one value" : `\u00b1 ${fixed(row.regret_half_width, 4)}`);
const share = (value) => (value === null ? "" : `${Math.round(100 * value)} %`);
const differs = (row) => (row.difference_low === null ? "" : row.difference_low > 0 ? "worse"
  : row.difference_high < 0 ? "better" : "");

const STANDINGS = [
  { key: "rival", title: "tuner", text: (row) => row.rival },
  { key: "regret", title: "regret", text: (row) => fixed(row.regret, 4), small: interval },
  { key: "difference", title: "minus at2", text: (row) => (row.difference > 0 ? "+" : "") + fixed(row.difference, 4),
    small: (row) => (row.difference_low === null ? "" : `[${fixed(row.difference_low, 4)}, ${fixed(row.difference_high, 4)}]`),
    mark: differs },
  { key: "p_value", title: "p", text: (row) => (row.p_value !== null && row.p_value < 0.001 ? "<0.001" : fixed(row.p_value, 3)) },
  { key: "rank", title: "rank", text: (row) => fixed(row.rank, 2) },
  { key: "won", title: "won", text: (row) => share(row.won) },
  { key: "best_seen_regret", title: "best seen", text: (row) => fixed(row.best_seen_regret, 4) },
  { key: "n_case", title: "runs", text: (row) => fixed(row.n_case, 0), small: (row) => (row.n_failed ? `${row.n_failed} failed` : "") },
];

const COSTS = [
  { key: "rival", title: "tuner", text: (row) => row.rival },
  { key: "n_epochs", title: "epochs", text: (row) => fixed(row.n_epochs, 1) },
  { key: "relative", title: "full trainings", text: (row) => (row.relative === null ? "" : `${fixed(row.relative, 2)}\u00d7`) },
  { key: "n_configs", title: "configurations", text: (row) => fixed(row.n_configs, 1) },
  { key: "n_steps", title: "optimizer steps", text: (row) => (row.n_steps === null ? "" : Math.round(row.n_steps).toLocaleString("en")) },
  { key: "train_s", title: "training", text: (row) => (row.train_s === null ? "" : `${shortNumber(row.train_s)} s`) },
  { key: "overhead_s", title: "the tuner itself", text: (row) => (row.overhead_s === null ? "" : `${shortNumber(row.overhead_s)} s`) },
];

function compareBy(key, sign) {
  return (one, two) => {
    const [a, b] = [one[key], two[key]];
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
  };
}

function drawTable(id, columns, rows, sort = { key: "regret", sign: 1 }) {
  const head = element("tr");
  for (const column of columns) {
    const cell = element("th", column.title, { scope: "col" });
    if (column.key === sort.key) cell.setAttribute("aria-sort", sort.sign > 0 ? "ascending" : "descending");
    cell.addEventListener("click", () => drawTable(id, columns, rows,
      { key: column.key, sign: column.key === sort.key ? -sort.sign : 1 }));
    head.append(cell);
  }
  const body = [...rows].sort(compareBy(sort.key, sort.sign)).map((row) => {
    const line = element("tr", null, isOwn(row.rival) ? { class: "own" } : {});
    for (const column of columns) {
      const cell = element("td", column.text(row), column.mark ? { class: column.mark(row) } : {});
      const small = column.small && cell.textContent ? column.small(row) : "";
      if (small) cell.append(" ", element("small", small));
      line.append(cell);
    }
    return line;
  });
  const known = columns.map((column) => rows.some((row) => row[column.key] !== null));
  byId(id).replaceChildren(head, ...body);
  byId(id).querySelectorAll("tr").forEach((line) => [...line.children].forEach((cell, k) => { cell.hidden = !known[k]; }));
}

function drawStandings(comparison) {
  drawTable("standings", STANDINGS, comparison.rows);
  drawTable("costs", COSTS, comparison.rows);
  const used = DATA.snapped.filter((rival) => comparison.rows.some((row) => row.rival === rival));
  byId("standings-hint").textContent = "regret: mean over targets with its 95 % t-interval. minus at2: paired over "
    + "targets, with a bootstrap interval; p is that of Wilcoxon's signed-rank test. rank and won count the cases that "
    + "all have." + (used.length ? ` The proposals of ${used.join(", ")} lie between the table's configurations and were `
    + "snapped to the nearest one that was not used yet." : "");
  const steps = comparison.rows.some((row) => row.n_steps !== null);
  byId("costs-hint").textContent = "Means over runs. A full training is one configuration trained to its end."
    + (steps ? "" : " Optimizer steps are not known for this table or were not recorded.");
}
