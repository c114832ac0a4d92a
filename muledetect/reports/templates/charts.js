"use strict";
/* Charts on uPlot: the timeline of an account, and lines with intervals. Data become pixels and text, never HTML. */
const charts = (() => {
  const width = (box) => Math.max(260, box.clientWidth);
  const axis = (more) => ({
    stroke: () => page.colour("soft"), grid: { stroke: () => page.colour("line"), width: 1 }, ticks: { stroke: () => page.colour("line") },
    font: "12px system-ui, sans-serif", ...more,
  });
  const tzDate = (seconds) => uPlot.tzDate(new Date(seconds * 1000), page.zone);
  /* Hours of the day count to 24, days before months. */
  const clock = [
    [31536000, "{YYYY}", null, null, null, null, null, null, 1],
    [2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [86400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [3600, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
    [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
    [1, ":{ss}", "\n{D} {MMM} {YYYY} {HH}:{mm}", null, "\n{D} {MMM} {HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
  ];
  /* Round numbers of both signs on a scale that is logarithmic away from 0. */
  const decades = (self, which, low, high) => {
    const found = [0];
    for (let power = Math.ceil(Math.log10(Math.max(1, self.scales.y.asinh)) + 0.3); power < 16; power += 1) {
      const value = 10 ** power;
      if (value <= high) found.push(value);
      if (-value >= low) found.unshift(-value);
    }
    return found;
  };
  /* Words and colours stand in the plot: another language or theme makes it anew. `make` returns options and values. */
  const show = (box, make) => {
    let plot = null;
    const draw = () => {
      const span = plot && plot.scales.x;
      if (plot) plot.destroy();
      const { options, values } = make();
      plot = new uPlot({ width: width(box), tzDate, ...options }, values, box);
      if (span && span.min !== null) plot.setScale("x", { min: span.min, max: span.max });
    };
    draw();
    page.onChange(draw);
    new ResizeObserver(() => plot.setSize({ width: width(box), height: plot.height })).observe(box);
    return () => plot;
  };

  /* Compact numbers for axes: 1.2k, 3M. */
  const compact = (value) => new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);

  const timeline = (box, readout, spec) => {
    const kinds = ["victim", "member", "exit", "other"];
    const signed = spec.amounts.map((amount, at) => (spec.credit[at] ? 1 : -1) * Number(amount) / spec.unit);
    const series = kinds.map((kind) => signed.map((value, at) => (spec.kind[at] === kind ? value : null)));
    const names = {
      victim: { en: "victims", th: "ผู้เสียหาย" }, member: { en: "ring", th: "กลุ่ม" }, exit: { en: "shops, exchanges, exits", th: "ร้านค้าและทางออก" },
      other: { en: "others", th: "อื่น ๆ" },
    };
    const stems = (plot) => {
      const g = plot.ctx, zero = plot.valToPos(0, "y", true);
      g.save();
      g.beginPath();
      g.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
      g.clip();
      if (spec.period) {
        g.fillStyle = page.colour("band");
        const [a, b] = spec.period.map((moment) => plot.valToPos(moment, "x", true));
        g.fillRect(a - 2, plot.bbox.top, Math.max(4, b - a + 4), plot.bbox.height);
      }
      g.strokeStyle = page.colour("soft");
      g.lineWidth = 1;
      g.beginPath(); g.moveTo(plot.bbox.left, zero); g.lineTo(plot.bbox.left + plot.bbox.width, zero); g.stroke();
      spec.times.forEach((moment, at) => {
        g.strokeStyle = page.colour(spec.kind[at]);
        g.globalAlpha = spec.key[at] ? 0.95 : 0.45;
        g.lineWidth = (spec.key[at] ? 2 : 1) * devicePixelRatio;
        const x = plot.valToPos(moment, "x", true);
        g.beginPath(); g.moveTo(x, zero); g.lineTo(x, plot.valToPos(signed[at], "y", true)); g.stroke();
      });
      g.restore();
    };
    const tell = (at) => {
      readout.replaceChildren();
      const paid = page.money(spec.amounts[at], spec.unit) + " " + page.say(spec.currency);
      readout.append(
        page.element("strong", (spec.credit[at] ? "+" : "−") + paid, spec.credit[at] ? "in" : "out"), " ", page.when(spec.times[at]), " · ",
        page.element("span", spec.other[at], "id"), " ", page.say(spec.relation[at]), " · ", page.say(spec.channel[at]), " ",
        page.element("span", spec.codes[at].map(page.say).join(", "), "soft"), " ", page.element("span", spec.id[at], "id soft"),
      );
    };
    let chosen = -1, nearest = null;
    const current = show(box, () => ({ values: [spec.times, ...series], options: {
      height: 300,
      ms: 1e-3,
      scales: { x: { time: true }, y: { distr: 4, asinh: Math.max(1, spec.linear) } },
      legend: { live: false },
      cursor: { points: { show: false }, drag: { x: true, y: false }, dataIdx: (self, number, hovered) => hovered },
      axes: [axis({ values: clock, space: 70 }), axis({ splits: decades, filter: (self, ticks) => ticks, values: (self, ticks) => ticks.map((tick) => (tick === null ? "" : compact(tick))), size: 58 })],
      series: [{}, ...kinds.map((kind) => ({
        label: page.say(names[kind]), stroke: () => page.colour(kind), width: 0, paths: () => null,
        points: { show: true, size: 6, fill: () => page.colour(kind), stroke: () => page.colour(kind) },
      }))],
      hooks: {
        drawAxes: [stems],
        setCursor: [(self) => { if (self.cursor.idx !== null && self.cursor.idx !== undefined && self.cursor.left >= 0) { nearest = self.cursor.idx; tell(nearest); } }],
      },
    } }));
    const last = spec.times[spec.times.length - 1];
    const span = {
      all: [spec.times[0], last], period: spec.period, week: [spec.now - 7 * 86400, spec.now], day: [spec.now - 86400, spec.now],
    };
    const zoom = (which) => {
      const [a, b] = span[which], pad = Math.max(60, (b - a) * 0.03);
      current().setScale("x", { min: a - pad, max: b + pad });
    };
    for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => zoom(button.dataset.zoom));
    zoom("all");
    box.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step && event.key !== "Home" && event.key !== "End") return;
      event.preventDefault();
      chosen = event.key === "Home" ? 0 : event.key === "End" ? spec.times.length - 1
        : Math.min(spec.times.length - 1, Math.max(0, (chosen < 0 ? nearest ?? -1 : chosen) + step));
      const plot = current();
      plot.setCursor({ left: plot.valToPos(spec.times[chosen], "x"), top: plot.valToPos(signed[chosen], "y") });
      tell(chosen);
    });
  };

  /* Several lines over one x, each with an optional interval around it. */
  const lines = (box, spec) => show(box, () => options(spec));
  const options = (spec) => {
    const palette = ["accent", "out", "in", "member", "victim", "controller", "other"];
    const xs = [...new Set(spec.series.flatMap((line) => line.x.filter((x) => x !== null)))].sort((a, b) => a - b);
    const place = new Map(xs.map((x, at) => [x, at]));
    const spread = (line, name) => {
      const values = new Array(xs.length).fill(null);
      line.x.forEach((x, at) => { if (x !== null && line[name] && line[name][at] !== null) values[place.get(x)] = line[name][at]; });
      return values;
    };
    const percent = spec.y.format === "percent";
    const shown = (value) => (value === null || value === undefined ? "–" : percent ? (100 * value).toFixed(1) + "%" : Number(value.toPrecision(3)).toString());
    const values = [xs], series = [{ label: page.say(spec.x.label), value: (self, x) => (x === null ? "" : spec.x.scale === "time" ? page.when(x) : compact(x)) }], bands = [];
    spec.series.forEach((line, number) => {
      const name = palette[number % palette.length];
      const stroke = () => page.colour(name);
      series.push({
        label: page.say(line.name), stroke, width: line.is_main ? 2.5 : 1.5, dash: line.dash ? [6, 4] : undefined, spanGaps: true,
        points: { show: !!line.points, size: 6 }, value: (self, value) => shown(value),
      });
      values.push(spread(line, "y"));
      if (line.low && line.high) {
        const at = series.length;
        for (const side of ["high", "low"]) {
          series.push({ label: "", stroke: "transparent", width: 0, spanGaps: true, points: { show: false }, class: "hidden" });
          values.push(spread(line, side));
        }
        bands.push({ series: [at, at + 1], fill: () => { const c = page.colour(name); return c.startsWith("#") ? c + (line.is_main ? "33" : "1f") : c; } });
      }
    });
    const scale = { linear: {}, log: { distr: 3 }, time: { time: true } }[spec.x.scale || "linear"];
    return { values, options: {
      height: 320,
      ms: 1e-3,
      scales: { x: { time: false, ...scale }, y: { range: (self, low, high) => { const [a, b] = uPlot.rangeNum(low ?? 0, high ?? 1, 0.06, true); return [spec.y.min ?? a, spec.y.max ?? b]; } } },
      axes: [
        axis({ label: page.say(spec.x.label), labelSize: 22, ...(spec.x.scale === "time" ? { values: clock, space: 70 } : { values: (self, ticks) => ticks.map((tick) => (tick === null ? "" : compact(tick))) }) }),
        axis({ label: page.say(spec.y.label), labelSize: 22, size: 58, values: (self, ticks) => ticks.map((tick) => (tick === null ? "" : percent ? Number((100 * tick).toPrecision(3)) + "%" : compact(tick))) }),
      ],
      series, bands,
      hooks: {
        ready: [(self) => {
          // the two edges of an interval need no entry of their own
          self.root.querySelectorAll(".u-legend .u-series").forEach((row, at) => { if (series[at] && series[at].class === "hidden") row.classList.add("hidden"); });
        }],
      },
    } };
  };

  for (const box of document.querySelectorAll("[data-chart]")) {
    const spec = (page.data.charts || []).find((chart) => chart.id === box.dataset.chart);
    if (spec) lines(box, spec);
  }
  const drawn = document.getElementById("timeline-chart");
  if (drawn && page.data.timeline && page.data.timeline.times.length) timeline(drawn, document.getElementById("timeline-readout"), page.data.timeline);
  return { lines };
})();
