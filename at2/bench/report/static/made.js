// How the record was made: commands, environments, and what had to be left out.

function drawMade() {
  const place = byId("made");
  const commands = [...new Set(DATA.environments.map((each) => each.command).filter((text) => text))];
  if (commands.length) {
    place.append(element("p", commands.length > 1 ? "These commands repeat it:" : "This command repeats it:", { class: "hint" }));
    place.append(element("pre", commands.join("\n")));
  }
  for (const each of DATA.environments) {
    const packages = Object.entries(each.packages || {}).filter(([, version]) => version)
      .map(([name, version]) => `${name} ${version}`).join(", ");
    const details = element("details");
    details.append(element("summary", `at2 ${each.at2}, Python ${each.python}, ${each.machine}, ${each.cpus} processors`));
    details.append(element("p", `${packages}. ${each.platform}.`));
    place.append(details);
  }
  if (!DATA.environments.length) place.append(element("p", "The record does not say what it was made on.", { class: "notes" }));
  if (DATA.left_out.length) {
    byId("left-out").append(element("h3", "Left out"));
    const list = element("ul", null, { class: "notes" });
    DATA.left_out.slice(0, 40).forEach((reason) => list.append(element("li", reason)));
    if (DATA.left_out.length > 40) list.append(element("li", `and ${DATA.left_out.length - 40} more`));
    byId("left-out").append(list);
  }
}
