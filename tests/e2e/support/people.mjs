// People who sign up, and what they ask of the API.

/** Asks the API as the bearer of `token`: status, headers, and the body as JSON if it is one. */
export async function request(world, token, method, path, body, headers = {}) {
  const response = await fetch(world.url + path, {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
}

/** Signs a person up by invitation: their session, with their password. */
export async function signUp(world, name, role = 'user') {
  const password = `a long password of ${name}`
  const invited = await request(world, world.token, 'POST', '/v1/admin/invitations', { role })
  const body = { login: `${name}@example.com`, password, name, invitation: invited.body.code }
  const { status, body: session } = await request(world, '', 'POST', '/v1/auth/register', body)
  if (status !== 201) throw new Error(`${name} could not sign up: ${status} ${JSON.stringify(session)}`)
  return { ...session, password }
}
