// Lists that come in pages.

/** Every row of a list. `by`: the query parameter that names a page. */
export async function pages(ask, path, name, by = 'cursor') {
  const rows = []
  let next
  do {
    const page = await ask('GET', `${path}?limit=${PAGE_ROWS}${next ? `&${by}=${encodeURIComponent(next)}` : ''}`)
    rows.push(...page[name])
    next = page.next
  } while (next)
  return rows
}

/** `PAGE_ROWS_MAX` of src/db/mod.rs. */
const PAGE_ROWS = 100
