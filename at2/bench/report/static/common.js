// What all parts of the page share: its data, colours, small helpers for text and plots.

const DATA = JSON.parse(document.getElementById("data").textContent);
const ALL_TARGETS = "all targets";
const AT2 = "#0b57d0";
const COLORS = ["#d9601a", "#2f8f4e", "#8a4fa3", "#c0392b", "#0e8a8a", "#b8860b", "#d0508c", "#6b7785",
  "#7c5a3a", "#4a6fa5", "#93a112", "#5b3fa0", "#c97b63", "#3f7d6b", "#a0522d", "#2c3e50"];
const CONFIG = { responsive: true, displaylogo: false, displayModeBar: isNarrow() ? false : "hover",
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };

const byId = (id) => document.getElementById(id);
const isOwn = (rival) => rival === "at2";
const others = DATA.rivals.filter((rival) => !isOwn(rival));
const colorOf = (rival) => (isOwn(rival) ? AT2 : COLORS[others.indexOf(rival) % COLORS.length]);

function fixed(value, digits) {
  return value === null || value === undefined ? "" : value.toFixed(digits);
}

function shortNumber(value) {
  if (value === null || value === undefined) return "";
  return Number(value.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 6 });
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== null && text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function fillSelect(select, options) {
  select.replaceChildren(...options.map(([value, text]) => element("option", text, { value })));
}

function transparent(color, alpha) {
  const number = parseInt(color.slice(1), 16);
  return `rgba(${number >> 16},${(number >> 8) & 255},${number & 255},${alpha})`;
}

function layoutOf(title, extra = {}) {
  const axis = { gridcolor: "#e8ecf1", zerolinecolor: "#d5dbe3", fixedrange: isNarrow() };
  const { xaxis = {}, yaxis = {}, ...rest } = extra;
  return {
    font: { family: "system-ui, -apple-system, Segoe UI, Roboto, Arial, sans-serif", size: 12.5, color: "#1b2430" },
    margin: { l: 50, r: 14, t: title ? 34 : 10, b: 44 },
    title: { text: title, font: { size: 14 }, x: 0.01, xanchor: "left" },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    hoverlabel: { font: { size: 12.5 } }, modebar: { bgcolor: "rgba(255,255,255,0.8)", color: "#9aa6b4", activecolor: AT2 },
    showlegend: false, dragmode: isNarrow() ? false : "zoom",
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...rest,
  };
}

function isNarrow() {
  return window.matchMedia("(max-width: 760px)").matches;
}

// A band as one closed path: the upper end forwards, the lower one backwards.
function band(x, low, high, color, alpha) {
  const kept = x.map((_, place) => place).filter((place) => low[place] !== null && high[place] !== null);
  const back = [...kept].reverse();
  return {
    x: [...kept.map((k) => x[k]), ...back.map((k) => x[k])],
    y: [...kept.map((k) => high[k]), ...back.map((k) => low[k])],
    fill: "toself", fillcolor: transparent(color, alpha), line: { width: 0 }, mode: "lines",
    hoverinfo: "skip", showlegend: false, type: "scatter",
  };
}

// Draws a part when it is about to come into view, so that the top of the page stands at once.
function whenSeen(place, draw) {
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    draw();
  }, { rootMargin: "400px" });
  watcher.observe(place);
}
