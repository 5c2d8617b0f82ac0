// The Worker in front of J0 and J1: each request to the object that its path names.

export default {
  fetch(request, env) {
    const [, first, name] = new URL(request.url).pathname.split('/')
    if (first === 'healthz') return new Response('ok')
    return env.OBJECT.getByName(name).fetch(request)
  },
}
