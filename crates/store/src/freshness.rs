//! The day after which a list is too old.
//!
//! A mirror that no longer follows, or an attacker who replays an old list, serves a store that
//! is genuine and out of date. A line `BEST-BEFORE-YYYY-MM-DD`, with the hash of the empty input,
//! makes systemd 260 and later refuse the list after that day; earlier ones take it for a file
//! that no pattern fits (`sysupdate-resource.c`).

use std::fmt;
use std::str::FromStr;

use crate::sums::Sums;

/// What the name of the line begins with.
pub(crate) const PREFIX: &str = "BEST-BEFORE-";

/// Seconds of a day.
const DAY: u64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: i64 = 719_468;

/// SHA-256 of the empty input.
const EMPTY: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// The last day on which a list counts, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BestBefore {
    year: u16,
    month: u8,
    day: u8,
}

/// A text that is not a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a date of the form YYYY-MM-DD")]
pub struct NotADay;

/// Why the last day of a list can't be the one that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DayProblem {
    /// The list counts for longer already.
    #[error("the list is already good until {listed}, and {day} is earlier")]
    Earlier {
        /// The day that is listed.
        listed: BestBefore,
        /// The day that was given.
        day: BestBefore,
    },
    /// The day is over.
    #[error("{0} is over: clients would refuse the list at once")]
    Over(BestBefore),
    /// The day that is listed is over, and no other was given.
    #[error(
        "the list was good until {0}: clients of systemd 260 and newer refuse it; give another day \
         with --best-before"
    )]
    Expired(BestBefore),
}

impl BestBefore {
    /// Fails if the day is over at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// [`DayProblem::Over`].
    pub fn check(self, now: u64) -> Result<(), DayProblem> {
        match self.days_after(now) {
            ..0 => Err(DayProblem::Over(self)),
            0.. => Ok(()),
        }
    }

    /// How many days after the day of `now`, in seconds since 1970, it is; less than 0 if it is over.
    pub(crate) fn days_after(self, now: u64) -> i64 {
        self.day_number() - i64::try_from(now / DAY).unwrap_or(i64::MAX)
    }

    /// The days since 1970-01-01 (in the Gregorian calendar, as all is here).
    fn day_number(self) -> i64 {
        // Years begin in March, so that the leap day is the last one; 400 of them are 146097 days.
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let year = if month > 2 { year } else { year - 1 };
        let month = (month + 9) % 12;
        let in_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        365 * year + year / 4 - year / 100 + year / 400 + in_year - DAYS_BEFORE_1970
    }
}

impl FromStr for BestBefore {
    type Err = NotADay;

    fn from_str(text: &str) -> Result<BestBefore, NotADay> {
        let digits = |range| {
            let digits: &str = text.get(range).unwrap_or_default();
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number
                .then(|| digits.parse().ok())
                .flatten()
                .ok_or(NotADay)
        };
        let (year, month, day): (u16, u16, u16) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            4 | 6 | 9 | 11 => 30,
            2 if is_leap => 29,
            2 => 28,
            _ => 31,
        };
        let dashes = [4, 7].map(|at| text.as_bytes().get(at)) == [Some(&b'-'); 2];
        if text.len() != 10 || !dashes || !(1..=12).contains(&month) || !(1..=last).contains(&day) {
            return Err(NotADay);
        }
        let byte = |number| u8::try_from(number).map_err(|_| NotADay);
        Ok(BestBefore {
            year,
            month: byte(month)?,
            day: byte(day)?,
        })
    }
}

impl fmt::Display for BestBefore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The day that a listed name stands for, if it does.
pub(crate) fn day_of(name: &str) -> Option<BestBefore> {
    name.strip_prefix(PREFIX)?.parse().ok()
}

/// The first of the days that the list has: the one after which clients refuse it.
pub(crate) fn of(sums: &Sums) -> Option<BestBefore> {
    sums.entries()
        .iter()
        .filter_map(|entry| day_of(&entry.name))
        .min()
}

/// Puts the day on the list, if one is given; without one, the day that is listed must not be over.
pub(crate) fn renew(sums: &mut Sums, day: Option<BestBefore>, now: u64) -> Result<(), DayProblem> {
    match (day, of(sums)) {
        (Some(day), _) => extend(sums, day, now),
        (None, Some(listed)) if listed.days_after(now) < 0 => Err(DayProblem::Expired(listed)),
        (None, _) => Ok(()),
    }
}

/// Puts the day on the list in place of those before it.
fn extend(sums: &mut Sums, day: BestBefore, now: u64) -> Result<(), DayProblem> {
    day.check(now)?;
    let latest = (sums.entries().iter()).filter_map(|entry| day_of(&entry.name));
    if let Some(listed) = latest.max()
        && listed > day
    {
        return Err(DayProblem::Earlier { listed, day });
    }
    sums.retain(|name| !name.starts_with(PREFIX));
    sums.insert(&format!("{PREFIX}{day}"), EMPTY);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        for (text, is_day) in [
            ("2030-01-31", true),
            ("2028-02-29", true),
            ("2000-02-29", true),
            ("2030-02-29", false),
            ("2100-02-29", false),
            ("2030-04-31", false),
            ("2030-00-01", false),
            ("2030-13-01", false),
            ("2030-01-00", false),
            ("2030-1-31", false),
            ("2030/01/31", false),
            ("+030-01-31", false),
            ("2030-01-311", false),
            ("", false),
            ("2030-01-é", false),
        ] {
            let day = text.parse::<BestBefore>();
            assert_eq!(day.is_ok(), is_day, "{text}");
            if let Ok(day) = day {
                assert_eq!(day.to_string(), text);
            }
        }
    }

    #[test]
    fn days_that_are_over() {
        // As `date --utc --date DAY +%s` says.
        for (text, begins) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2024-02-29", 1_709_164_800),
            ("2024-03-01", 1_709_251_200),
            ("2027-01-31", 1_801_353_600),
            ("2100-03-01", 4_107_542_400),
        ] {
            let day = text.parse::<BestBefore>().unwrap();
            assert_eq!(day.days_after(begins), 0, "{text}");
            assert_eq!(day.days_after(begins + DAY - 1), 0, "{text}");
            assert_eq!(day.days_after(begins + DAY), -1, "{text}");
            let extended = |now| extend(&mut Sums::default(), day, now);
            assert_eq!(extended(begins + DAY - 1), Ok(()), "{text}");
            assert_eq!(extended(begins + DAY), Err(DayProblem::Over(day)), "{text}");
        }
    }

    #[test]
    fn a_later_day_takes_the_place_of_all_others() {
        let day = |text: &str| text.parse::<BestBefore>().unwrap();
        let mut sums = Sums::default();
        sums.insert("BEST-BEFORE-2030-01-01", EMPTY);
        sums.insert("BEST-BEFORE-2030-03-01", EMPTY);
        sums.insert("a-1.raw", [0; 32]);
        assert_eq!(of(&sums), Some(day("2030-01-01")));
        let refused = DayProblem::Earlier {
            listed: day("2030-03-01"),
            day: day("2030-02-01"),
        };
        assert_eq!(extend(&mut sums, day("2030-02-01"), 0), Err(refused));
        extend(&mut sums, day("2030-04-01"), 0).unwrap();
        let names: Vec<_> = sums.entries().iter().map(|entry| &entry.name).collect();
        assert_eq!(names, ["BEST-BEFORE-2030-04-01", "a-1.raw"]);
    }
}
