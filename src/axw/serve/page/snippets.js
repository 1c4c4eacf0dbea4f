// The same question as a command, as curl and as Python.

const shell = (text) => `'${String(text).replace(/'/g, "'\\''")}'`;

export function snippet(kind, model, verb, question) {
  const address = `${location.origin}/v1/models/${model.id}/${verb}`;
  const body = JSON.stringify(question);
  if (kind === "curl") return `curl -s ${shell(address)} -H 'content-type: application/json' -d ${shell(body)}`;
  if (kind === "python") {
    return [
      "import json, urllib.request",
      `question = json.loads(${JSON.stringify(body)})`,
      `request = urllib.request.Request(${JSON.stringify(address)}, json.dumps(question).encode(), {"content-type": "application/json"})`,
      'print(json.load(urllib.request.urlopen(request))["answers"])',
    ].join("\n");
  }
  return `${input(model, question)} | axw ${verb} ${shell(model.folder)} -`;
}

function input(model, question) {
  if (model.kind !== "table") return `printf '%s\\n' ${shell(question.lines[0])}`;
  const cell = (value) => (value === null ? "" : /[",\n\r]/.test(String(value)) ? `"${String(value).replace(/"/g, '""')}"` : String(value));
  const row = question.rows[0];
  return `printf '%s\\n' ${shell(Object.keys(row).map(cell).join(","))} ${shell(Object.values(row).map(cell).join(","))}`;
}
