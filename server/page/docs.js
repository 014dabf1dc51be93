// The API's documentation, drawn from its own description. (The usual pages load their scripts from elsewhere.)

const make = (tag, text = "") => Object.assign(document.createElement(tag), { textContent: text });

function operation(method, path, about) {
  const section = document.createElement("section");
  const heading = section.appendChild(make("h2"));
  heading.append(make("b", method.toUpperCase()), path);
  section.append(make("p", about.description ?? about.summary ?? ""));
  const list = section.appendChild(make("dl"));
  for (const parameter of about.parameters ?? []) {
    const where = `${parameter.name} (${parameter.in}${parameter.required ? ", required" : ""})`;
    list.append(make("dt", where), make("dd", parameter.description ?? ""));
  }
  for (const [status, answer] of Object.entries(about.responses)) {
    list.append(make("dt", status), make("dd", answer.description));
  }
  return section;
}

const { paths } = await (await fetch("/api/openapi.json")).json();
const sections = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, about]) => operation(method, path, about)),
);
document.getElementById("docs").replaceChildren(...sections);
