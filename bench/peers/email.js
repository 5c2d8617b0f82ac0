// Stands in for `cloudflare:email`, which raw workerd lacks: the Agents SDK imports it, and no e-mail is sent here.

export class EmailMessage {}
