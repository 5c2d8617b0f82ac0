// How the mock relay answers.

export function ok(json, status = 200) {
  return { status: json === undefined ? 204 : status, json }
}

export function problem(status, code, detail = '', headers = {}) {
  return { status, headers, json: { type: `/errors/${code}`, title: code, status, detail } }
}
