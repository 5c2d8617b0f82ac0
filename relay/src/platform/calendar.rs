//! The periods in which quotas are counted, by the clock of China, where most platforms are.

use protocol::api::Period;

/// When the period began that a time is in, and when the next one begins, in milliseconds since 1970. Days and months are
/// China's: WeChat's quotas begin anew at midnight there, Feishu's on the first of a month; others do not say when.
pub(super) fn bounds(period: Period, ms: u64) -> (u64, u64) {
    let length = match period {
        Period::Second => 1_000,
        Period::Minute => MINUTE_MS,
        Period::Hour => HOUR_MS,
        Period::Day => DAY_MS,
        Period::Month => {
            let days = (ms + CHINA_MS) / DAY_MS;
            let (year, month, day) = date(days);
            let first = days + 1 - day;
            let at = |days: u64| (days * DAY_MS).saturating_sub(CHINA_MS);
            return (at(first), at(first + days_of(year, month)));
        }
    };
    let began = (ms + CHINA_MS) / length * length;
    (began.saturating_sub(CHINA_MS), began + length - CHINA_MS)
}

/// A time as it is written in China.
pub(super) fn china(ms: u64) -> String {
    let minutes = (ms + CHINA_MS) / MINUTE_MS;
    let (year, month, day) = date(minutes / (24 * 60));
    format!("{year}-{month:02}-{day:02} {:02}:{:02} (UTC+8)", minutes / 60 % 24, minutes % 60)
}

/// Year, month and day of a number of days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on, so that the day that some years have is the last one.
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}

fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(super) const MINUTE_MS: u64 = 60_000;
pub(super) const HOUR_MS: u64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;
/// UTC+8, all year.
const CHINA_MS: u64 = 8 * HOUR_MS;

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-26 05:16:47 UTC.
    const NOW_MS: u64 = 1_795_670_207_000;

    #[test]
    fn periods_are_those_of_china() {
        let check = |period: Period, at: u64, began: &str, ends: &str| {
            let (from, to) = bounds(period, at);
            assert_eq!((china(from), china(to)), (format!("{began} (UTC+8)"), format!("{ends} (UTC+8)")), "{period:?}");
            assert!((from..to).contains(&at));
        };
        check(Period::Minute, NOW_MS, "2026-11-26 13:16", "2026-11-26 13:17");
        check(Period::Hour, NOW_MS, "2026-11-26 13:00", "2026-11-26 14:00");
        check(Period::Day, NOW_MS, "2026-11-26 00:00", "2026-11-27 00:00");
        check(Period::Month, NOW_MS, "2026-11-01 00:00", "2026-12-01 00:00");
        // The last millisecond of a day and month, and the first of the next ones.
        let december = bounds(Period::Month, NOW_MS).1;
        check(Period::Month, december - 1, "2026-11-01 00:00", "2026-12-01 00:00");
        check(Period::Month, december, "2026-12-01 00:00", "2027-01-01 00:00");
        check(Period::Day, december - 1, "2026-11-30 00:00", "2026-12-01 00:00");
        // 2028-02-29 12:00 and 2100-02-28 12:00 in UTC.
        check(Period::Month, 1_835_438_400_000, "2028-02-01 00:00", "2028-03-01 00:00");
        check(Period::Month, 4_107_499_200_000, "2100-02-01 00:00", "2100-03-01 00:00");
        assert_eq!(bounds(Period::Month, 0).0, 0);
        assert_eq!(bounds(Period::Day, 0), (0, 16 * HOUR_MS));
    }

    #[test]
    fn every_month_has_its_days() {
        let mut at = 0;
        for (year, month) in (1970..2101).flat_map(|year| (1..=12).map(move |month| (year, month))) {
            assert_eq!((date(at), date(at + days_of(year, month) - 1).1), ((year, month, 1), month));
            at += days_of(year, month);
        }
    }
}
