// Wires the page: words and tables first, then Plotly is read and the plots follow.

function current() {
  return DATA.comparisons[Number(byId("comparison").value)];
}

function redrawRegret() {
  if (window.Plotly) drawRegret(current(), byId("target").value, byId("measure").value);
}

function openComparison() {
  const comparison = current();
  byId("headline").textContent = comparison.headline;
  const targets = comparison.axes.length ? Object.keys(comparison.axes[0].curves) : [ALL_TARGETS];
  fillSelect(byId("target"), targets.map((target) => [target, target]));
  chooseShown(comparison);
  drawChips(comparison, redrawRegret);
  drawStandings(comparison);
  drawPlots();
}

function drawPlots() {
  if (!window.Plotly) return;
  redrawRegret();
  drawRanks(current());
}

function start() {
  const databases = new Set(DATA.comparisons.map((each) => each.database));
  byId("counts").textContent = `${DATA.n_run.toLocaleString("en")} runs of ${DATA.rivals.length} tuners on `
    + [...databases].join(", ");
  byId("footer").textContent = `Made by at2 ${DATA.version}. The page holds all it shows and asks the network for nothing.`;
  fillSelect(byId("comparison"), DATA.comparisons.map((each, place) => [place, each.title]));
  byId("comparison").addEventListener("change", openComparison);
  byId("target").addEventListener("change", redrawRegret);
  byId("measure").addEventListener("change", redrawRegret);
  openComparison();
  drawMade();
  document.body.dataset.readable = Math.round(performance.now());
  requestAnimationFrame(() => setTimeout(startPlots, 0));
}

function startPlots() {
  document.head.append(element("script", byId("plotly").textContent));
  drawPlots();
  startStories();
  document.body.dataset.ready = "yes";
}

start();
