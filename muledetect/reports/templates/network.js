"use strict";
/* The network of a ring on Cytoscape: columns from victims to exits, money that plays over time. */
(() => {
  const box = document.getElementById("ring-network");
  const spec = page.data.network;
  if (!box || !spec) return;
  const readout = document.getElementById("network-readout"), slider = document.getElementById("slider");
  const shape = {
    collector: "ellipse", relay: "round-rectangle", consolidator: "hexagon", cash_out: "diamond", controller: "star", peripheral: "round-triangle",
    victim: "triangle", payer: "triangle", recipient: "vee", institution: "rectangle", exit: "pentagon", hub: "octagon",
  };
  const colourOf = (kind) => page.colour({ victim: "victim", payer: "other", recipient: "other", institution: "exit", exit: "exit", hub: "exit" }[kind] || kind);
  const unit = spec.unit;
  const largest = Math.max(1, ...spec.flows.amount.map(Number));
  const many = spec.nodes.name.length > 400;
  const elements = [
    ...spec.nodes.name.map((_, at) => ({
      group: "nodes", data: { id: "n" + at, at, kind: spec.nodes.kind[at] },
      position: { x: spec.nodes.x[at] * 74, y: spec.nodes.y[at] * 30 },
    })),
    ...spec.flows.source.map((source, at) => ({
      group: "edges", data: { id: "e" + at, at, source: "n" + source, target: "n" + spec.flows.target[at], wide: 0.6 + 7 * Math.sqrt(Number(spec.flows.amount[at]) / largest) },
    })),
  ];
  const isMember = (at) => spec.nodes.layer[at] > 0;
  const isPlain = (flow) => {
    const [from, to] = [spec.flows.source[flow.data("at")], spec.flows.target[flow.data("at")]];
    return !(isMember(from) && isMember(to)) && spec.nodes.kind[from] !== "victim";
  };
  const tint = (flow) => {
    const [from, to] = [spec.flows.source[flow.data("at")], spec.flows.target[flow.data("at")]];
    return spec.nodes.kind[from] === "victim" ? page.colour("victim") : isMember(from) && isMember(to) ? page.colour("member") : page.colour("other");
  };
  const style = () => [
    { selector: "node", style: {
      "background-color": (node) => colourOf(node.data("kind")), shape: (node) => shape[node.data("kind")] || "ellipse", width: 18, height: 18,
      label: (node) => page.say(spec.nodes.short[node.data("at")]), color: page.colour("ink"), "font-size": 9, "font-family": "ui-monospace, monospace", "text-valign": "bottom", "text-margin-y": 2,
      "min-zoomed-font-size": 7, "border-width": (node) => (spec.nodes.seed[node.data("at")] ? 2.5 : 0), "border-color": page.colour("ink"),
    } },
    { selector: "edge", style: {
      width: "data(wide)", "line-color": tint, "target-arrow-color": tint, "target-arrow-shape": many ? "none" : "triangle",
      "arrow-scale": 0.7, "curve-style": many ? "haystack" : "bezier", opacity: (flow) => (isPlain(flow) ? 0.22 : 0.6),
    } },
    { selector: ".later", style: { opacity: 0.04, events: "no" } },
    { selector: "node.later", style: { opacity: 0.18 } },
    { selector: ".now", style: { "line-color": page.colour("accent"), "target-arrow-color": page.colour("accent"), opacity: 1, "z-index": 9 } },
    { selector: ".faded", style: { opacity: 0.1 } },
    { selector: "edge.linked", style: { opacity: 0.95, "line-color": page.colour("accent"), "target-arrow-color": page.colour("accent") } },
    { selector: "node.linked", style: { opacity: 1 } },
  ];
  const cy = cytoscape({
    container: box, elements, style: style(), layout: { name: "preset" }, minZoom: 0.03, maxZoom: 6, autoungrabify: true,
    boxSelectionEnabled: false, hideEdgesOnViewport: spec.flows.source.length > 3000, textureOnViewport: many, pixelRatio: many ? 1 : "auto",
  });
  cy.fit(undefined, 26);
  page.onChange(() => { cy.style(style()); legend(); });

  const legend = () => {
    const kinds = [...new Set(spec.nodes.kind)];
    document.getElementById("legend").replaceChildren(...kinds.map((kind) => {
      const entry = page.element("li");
      const sign = { ellipse: "●", "round-rectangle": "■", hexagon: "⬢", diamond: "◆", star: "★", "round-triangle": "▲", triangle: "▲", vee: "▼", rectangle: "■", pentagon: "⬟", octagon: "⯃" }[shape[kind]] || "●";
      const mark = page.element("span", sign + " ");
      mark.style.color = colourOf(kind);
      entry.append(mark, page.say(spec.words[kind] || kind));
      return entry;
    }), page.element("li", page.say({ en: "ringed: suspicious by own evidence", th: "มีขอบ: น่าสงสัยจากหลักฐานของตนเอง" })));
  };
  legend();

  const paid = (amount) => page.money(amount, unit) + " " + page.say(spec.currency);
  const describe = (target) => {
    const at = target.data("at");
    if (target.isNode()) {
      const got = spec.nodes.received[at], gave = spec.nodes.paid[at];
      readout.replaceChildren(page.element("strong", page.say(spec.nodes.label[at]), "id"), " · ", page.say(spec.words[spec.nodes.kind[at]] || spec.nodes.kind[at]), " · ",
        page.say({ en: "received ", th: "รับ " }), page.element("span", paid(got), "in"), " · ", page.say({ en: "paid ", th: "จ่าย " }), page.element("span", paid(gave), "out"),
        spec.nodes.layer[at] ? " · " + page.say({ en: "layer ", th: "ชั้นที่ " }) + spec.nodes.layer[at] : "");
    } else {
      const flow = spec.flows;
      readout.replaceChildren(page.element("span", page.say(spec.nodes.label[flow.source[at]]), "id"), " → ", page.element("span", page.say(spec.nodes.label[flow.target[at]]), "id"), " · ",
        page.element("strong", paid(flow.amount[at])), " · " + flow.n[at] + " " + page.say({ en: "transfers", th: "รายการ" }));
    }
  };
  const lift = (target) => {
    cy.batch(() => {
      cy.elements().removeClass("linked faded");
      const linked = target.isNode() ? target.closedNeighborhood() : target.union(target.connectedNodes());
      cy.elements().difference(linked).addClass("faded");
      linked.addClass("linked");
    });
    describe(target);
  };
  const lower = () => cy.batch(() => cy.elements().removeClass("linked faded"));
  cy.on("mouseover tap", "node, edge", (event) => lift(event.target));
  cy.on("mouseout", "node, edge", lower);
  cy.on("tap", (event) => { if (event.target === cy) lower(); });

  /* Time: an edge is there from its first transfer on; transfers of the latest step are lit. */
  const times = spec.plays.time, n = times.length, begin = n ? times[0] : 0, end = n ? times[n - 1] : 0;
  const edgeOf = new Map(spec.flows.source.map((source, at) => [source + ">" + spec.flows.target[at], at]));
  const edge = spec.plays.source.map((source, at) => edgeOf.get(source + ">" + spec.plays.target[at]));
  const firstOf = new Array(spec.flows.source.length).fill(Infinity);
  edge.forEach((e, at) => { if (e !== undefined) firstOf[e] = Math.min(firstOf[e], times[at]); });
  const nodeFirst = new Array(spec.nodes.name.length).fill(Infinity);
  firstOf.forEach((time, e) => { for (const v of [spec.flows.source[e], spec.flows.target[e]]) nodeFirst[v] = Math.min(nodeFirst[v], time); });
  const nodes = spec.nodes.name.map((_, at) => cy.getElementById("n" + at)), edges = spec.flows.source.map((_, at) => cy.getElementById("e" + at));
  const shownTime = document.getElementById("slider-time");
  let hiddenBefore = false;
  const setTime = () => {
    const share = Number(slider.value) / 1000, moment = begin + share * (end - begin), lit = begin + Math.max(0, share - 0.02) * (end - begin);
    const all = share >= 1;
    shownTime.textContent = n ? page.when(moment) : "";
    if (all && !hiddenBefore) return;
    const now = new Set();
    if (!all) for (let at = lower_bound(times, lit); at < n && times[at] <= moment; at += 1) now.add(edge[at]);
    cy.batch(() => {
      edges.forEach((e, at) => { e.toggleClass("later", !all && firstOf[at] > moment); e.toggleClass("now", now.has(at)); });
      nodes.forEach((v, at) => v.toggleClass("later", !all && nodeFirst[at] > moment));
    });
    hiddenBefore = !all;
  };
  const lower_bound = (sorted, value) => { let a = 0, b = sorted.length; while (a < b) { const m = (a + b) >> 1; if (sorted[m] < value) a = m + 1; else b = m; } return a; };
  slider.addEventListener("input", setTime);
  setTime();
  const play = document.getElementById("play");
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; play.setAttribute("aria-pressed", "false"); };
  play.addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (Number(slider.value) >= 1000) slider.value = 0;
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => { slider.value = Math.min(1000, Number(slider.value) + 5); setTime(); if (Number(slider.value) >= 1000) stop(); }, 60);
  });

  const middle = () => ({ x: box.clientWidth / 2, y: box.clientHeight / 2 });
  const zoom = (by) => cy.zoom({ level: cy.zoom() * by, renderedPosition: middle() });
  const all = () => { lower(); cy.fit(undefined, 26); };
  document.getElementById("zoom-in").addEventListener("click", () => zoom(1.3));
  document.getElementById("zoom-out").addEventListener("click", () => zoom(1 / 1.3));
  document.getElementById("fit").addEventListener("click", all);
  let chosen = -1;
  const go = (step) => {
    chosen = (chosen + step + nodes.length) % nodes.length;
    lift(nodes[chosen]);
    cy.center(nodes[chosen]);
  };
  const keys = {
    ArrowLeft: () => cy.panBy({ x: 60, y: 0 }), ArrowRight: () => cy.panBy({ x: -60, y: 0 }), ArrowUp: () => cy.panBy({ x: 0, y: 60 }), ArrowDown: () => cy.panBy({ x: 0, y: -60 }),
    "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), 0: all, n: () => go(1), p: () => go(-1), Escape: all,
  };
  box.addEventListener("keydown", (event) => {
    const does = keys[event.key] || keys[event.key.toLowerCase()];
    if (does && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); does(); }
  });
  /* A row of the members' table shows its account in the network. */
  const nameToNode = new Map(spec.nodes.name.map((name, at) => [name, at]));
  for (const row of document.querySelectorAll("#member-table [data-name]")) {
    const at = nameToNode.get(row.dataset.name);
    if (at === undefined) continue;
    row.tabIndex = 0;
    const show = () => { chosen = at; lift(nodes[at]); };
    row.addEventListener("mouseenter", show);
    row.addEventListener("focus", show);
    row.addEventListener("mouseleave", lower);
    row.addEventListener("blur", lower);
  }
  new ResizeObserver(() => cy.resize()).observe(box);
  window.ringNetwork = cy;
})();
