// From where a bot's calls may leave: the relay, or an agent of one's own.

import { computed, type Ref } from 'vue'

import { request } from '../../account'
import { account } from '../../lib/account'
import { useLoad } from '../../task'
import { s } from './words'

/** What there is to choose; `chosen` is among them, although it may be another operator's. */
export function useEgress(chosen: Ref<string>) {
  const { value: agents } = useLoad(account(request).agents)
  return computed(() => {
    const about = s.value.egressAgentAbout
    const mine = (agents.value ?? []).map(({ id, name }) => ({ value: id, label: name, about }))
    const isKnown = chosen.value === '' || mine.some(({ value }) => value === chosen.value)
    const direct = { value: '', label: s.value.egressDirect, about: s.value.egressDirectAbout }
    return [direct, ...mine, ...(isKnown ? [] : [{ value: chosen.value, label: chosen.value, about }])]
  })
}
