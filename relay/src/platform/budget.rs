//! How often a bot may send: what the platform would refuse waits here instead.

use protocol::Timestamp;

use crate::map::Map;

/// At most `count` calls in any `per_ms` milliseconds, as the platform documents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What is counted together.
    pub scope: Scope,
    /// Calls, at least 2.
    pub count: u64,
    /// Milliseconds.
    pub per_ms: u64,
}

/// What a [`Rate`] counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All calls of the bot.
    Account,
    /// Those to one chat.
    Chat,
}

/// Which rate, and the chat if it counts for one.
type Key = (usize, String);

/// What was sent lately. In memory: an object that was evicted had nothing to send for longer than most rates look back.
#[derive(Default)]
pub struct Budget {
    /// For each rate and chat, when its calls so far would be over if they came evenly (GCRA), in microseconds.
    over_us: Map<Key, u64>,
}

impl Budget {
    /// Takes a call to `chat` out of every rate; or none, and says after how many milliseconds to ask again.
    pub fn take(&mut self, now: Timestamp, rates: &[Rate], chat: &str) -> Result<(), u64> {
        self.take_of(1, now, rates, chat)
    }

    /// The same for a call that no answer depends on: only out of half of what the bot may do at once, so that answers
    /// never wait behind such calls of all chats.
    pub fn take_spare(&mut self, now: Timestamp, rates: &[Rate], chat: &str) -> Result<(), u64> {
        self.take_of(2, now, rates, chat)
    }

    fn take_of(&mut self, share: u64, now: Timestamp, rates: &[Rate], chat: &str) -> Result<(), u64> {
        let (after, wait_us) = self.with_one_more(share, now, rates, chat);
        if wait_us > 0 {
            return Err(wait_us.div_ceil(1000));
        }
        after.into_iter().for_each(|(key, over)| self.over_us.insert(key, over));
        Ok(())
    }

    /// Takes a call that is made now, whether there is room for it or not: those after it wait longer.
    pub fn spend(&mut self, now: Timestamp, rates: &[Rate], chat: &str) {
        let (after, _) = self.with_one_more(1, now, rates, chat);
        after.into_iter().for_each(|(key, over)| self.over_us.insert(key, over));
    }

    /// When the calls of each rate would be over with one more, and for how long that one is too early, in microseconds, if
    /// it may have this share of what the account may do at once: 1 is all of it.
    fn with_one_more(&mut self, share: u64, now: Timestamp, rates: &[Rate], chat: &str) -> (Vec<(Key, u64)>, u64) {
        let now_us = now.0.saturating_mul(1000);
        if self.over_us.len() >= KEYS_MAX {
            self.over_us.retain(|_, over| *over > now_us);
        }
        let (mut after, mut wait_us) = (Vec::with_capacity(rates.len()), 0);
        for (index, rate) in rates.iter().enumerate() {
            // Half of the calls may come at once, the others evenly: together never more than `count` in `per_ms`.
            let (at_once, per_us) = ((rate.count / 2).max(1), rate.per_ms.saturating_mul(1000));
            let each_us = per_us / (rate.count - at_once).max(1);
            let key = (index, if rate.scope == Scope::Chat { chat.to_owned() } else { String::new() });
            // A clock that stepped back must not hold anything up for longer than the rate itself.
            let over = self.over_us.get(&key).copied().unwrap_or(0).clamp(now_us, now_us.saturating_add(per_us * 2));
            let share = if rate.scope == Scope::Account { share } else { 1 };
            let allowed = now_us.saturating_add(each_us.saturating_mul((at_once / share).max(1) - 1));
            wait_us = wait_us.max(over.saturating_sub(allowed));
            after.push((key, over.saturating_add(each_us)));
        }
        (after, wait_us)
    }
}

/// Rates and chats remembered at once; those that are over go first.
const KEYS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: &[Rate] = &[
        Rate { scope: Scope::Chat, count: 5, per_ms: 1_000 },
        Rate { scope: Scope::Account, count: 50, per_ms: 1_000 },
    ];

    /// Sends to the chats in turn as fast as the budget allows, and answers when each call went.
    fn calls(chats: &[&str], count: usize) -> Vec<(u64, String)> {
        let (mut budget, mut now, mut sent) = (Budget::default(), 1_000_000, Vec::new());
        while sent.len() < count {
            let waits = chats.iter().filter_map(|chat| match budget.take(Timestamp(now), RATES, chat) {
                Ok(()) => {
                    sent.push((now, (*chat).to_owned()));
                    None
                }
                Err(wait) => Some(wait),
            });
            let wait = waits.min().unwrap_or(0);
            now += wait;
        }
        sent
    }

    fn most_in_a_second(calls: &[(u64, String)]) -> usize {
        let within = |from: u64| calls.iter().filter(|(at, _)| (from..from + 1_000).contains(at)).count();
        calls.iter().map(|&(at, _)| within(at)).max().unwrap_or(0)
    }

    #[test]
    fn never_more_than_the_rate_and_not_much_less() {
        let one = calls(&["a"], 100);
        assert!((4..=5).contains(&most_in_a_second(&one)));
        let took_ms = one.last().unwrap().0 - 1_000_000;
        assert!((25_000..35_000).contains(&took_ms), "{took_ms}");
        let chats: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let names: Vec<&str> = chats.iter().map(String::as_str).collect();
        let many = calls(&names, 500);
        let most = most_in_a_second(&many);
        assert!((40..=50).contains(&most), "{most}");
    }

    #[test]
    fn a_call_that_does_not_ask_is_waited_for() {
        let mut budget = Budget::default();
        let (now, each_ms) = (Timestamp(1_000_000), 334);
        for _ in 0..2 {
            budget.spend(now, RATES, "a");
        }
        let wait = budget.take(now, RATES, "a").unwrap_err();
        assert!((1..=each_ms).contains(&wait), "{wait}");
        budget.spend(now, RATES, "a");
        assert!(budget.take(now, RATES, "a").is_err_and(|longer| longer > wait && longer <= wait + each_ms));
        assert_eq!(budget.take(now, RATES, "b"), Ok(()));
        // As long as all of them take at the rate, but for what may come at once; up to twice its time.
        for (calls, wait_ms) in [(2, 1_333), (1, 1_667), (9, 1_667)] {
            (0..calls).for_each(|_| budget.spend(now, RATES, "a"));
            let wait = budget.take(now, RATES, "a").unwrap_err();
            assert!((wait_ms - 1..=wait_ms + 1).contains(&wait), "{calls} more: {wait}");
        }
    }

    #[test]
    fn what_no_answer_depends_on_leaves_room_for_them() {
        let mut budget = Budget::default();
        let now = Timestamp(1_000_000);
        let spare = (0..).take_while(|n| budget.take_spare(now, RATES, &n.to_string()).is_ok()).count();
        let answers = (0..).take_while(|n| budget.take(now, RATES, &format!("to {n}")).is_ok()).count();
        // Of the 25 that may come at once.
        assert_eq!((spare, answers), (12, 13));
        // While answers go as fast as they may, nothing else does.
        for ms in (0..10_000).step_by(10) {
            let _ = budget.take(Timestamp(now.0 + ms), RATES, &ms.to_string());
            assert!(budget.take_spare(Timestamp(now.0 + ms), RATES, "spare").is_err());
        }
    }

    #[test]
    fn a_clock_that_steps_back_holds_up_no_longer_than_the_rate() {
        let mut budget = Budget::default();
        assert_eq!(budget.take(Timestamp(9_000_000), RATES, "a"), Ok(()));
        assert!(budget.take(Timestamp(1_000), RATES, "a").is_err_and(|wait| wait <= 2_000));
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut budget = Budget::default();
        for n in 0..3 * KEYS_MAX as u64 {
            let _ = budget.take(Timestamp(n * 10_000), RATES, &n.to_string());
        }
        assert!(budget.over_us.len() <= KEYS_MAX);
    }

    /// However many chats there are at once.
    #[test]
    fn what_is_not_over_is_kept() {
        let rates = &[Rate { scope: Scope::Chat, count: 4, per_ms: 1_000 }];
        let (mut budget, now, chats) = (Budget::default(), Timestamp(1_000_000), KEYS_MAX + 500);
        for _ in 0..2 {
            for chat in 0..chats {
                assert_eq!(budget.take(now, rates, &chat.to_string()), Ok(()));
            }
        }
        assert_eq!((budget.over_us.len(), budget.take(now, rates, "0")), (chats, Err(500)));
        // The last call of each is over by then.
        let later = now.plus_ms(1_000);
        assert_eq!((budget.take(later, rates, "0"), budget.over_us.len()), (Ok(()), 1));
    }
}
