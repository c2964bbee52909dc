//! The sentence at the top of a river page, one row for each state that a station can be in: no old number is told as new.
use shouwang_board::stations::{Sample, Standing, Telling, gaps, recent_of};
use shouwang_message::*;
use shouwang_river::{Line, Lines, Rule};

fn at(text: &str) -> Timestamp {
    format!("2026-11-22T{text}:00.000Z").parse().unwrap()
}

fn good(at: Timestamp, stage_m: f64) -> Sample {
    Sample { at, stage_m: Some(stage_m), quality: Quality::Good }
}

fn lines() -> Lines {
    [(Line::Design, 3.0), (Line::Warning, 3.3), (Line::Guarantee, 3.8), (Line::Record, 4.2)]
        .into_iter()
        .fold(Lines::default(), |lines, (line, level)| lines.with(line, level, Rule::default()))
}

/// 18 cm in the hour before 07:52 local (23:52 UTC of the day before), every five minutes.
fn rising() -> Vec<Sample> {
    let last: Timestamp = "2026-11-21T23:52:00.000Z".parse().unwrap();
    (0..=12)
        .rev()
        .map(|n| {
            let at = Timestamp::from_unix_ms(last.unix_ms() - n * 300_000);
            good(at, ((3.41 - n as f64 * 0.015) * 1_000.0).round() / 1_000.0)
        })
        .collect()
}

struct Told {
    zh: String,
    en: String,
    is_live: bool,
    has_number: bool,
    estimate: Option<String>,
}

/// What is told at this time (UTC, of the 22nd) of a river that rose until 07:52 local.
fn tell(standing: &Standing, wall: Timestamp, clock_unset: bool) -> Told {
    let samples = rising();
    let (lines, recent) = (lines(), recent_of(&samples, &[], true));
    let telling = Telling {
        name: "青石桥",
        standing,
        newest: samples.last().copied(),
        clock_unset,
        simulated: false,
        lines: &lines,
        recent: &recent,
        wall,
    };
    let sentence = telling.sentence();
    Told {
        zh: sentence.text.zh,
        en: sentence.text.en,
        is_live: sentence.is_live,
        has_number: sentence.stage_m.is_some(),
        estimate: telling.estimate().map(|text| text.zh),
    }
}

#[test]
fn the_present_is_told_in_one_sentence_with_an_estimate_that_says_so() {
    let told = tell(&Standing::Live, "2026-11-21T23:54:00.000Z".parse().unwrap(), false);
    assert_eq!(told.zh, "青石桥 3.41 米,高于警戒 0.11 米,1 小时涨 18 厘米,正在上涨。");
    assert_eq!(told.en, "青石桥 3.41 m, 0.11 m above warning, up 18 cm in 1 h, rising.");
    assert!(told.is_live && told.has_number);
    // 0.39 m at 18 cm an hour.
    assert_eq!(told.estimate.as_deref(), Some("照此速度约 2 小时 10 分到保证水位(估算,不是预报)"));
}

#[test]
fn every_bad_state_has_its_sentence_and_no_large_number() {
    let since = Some("2026-11-21T23:52:00.000Z".parse().unwrap());
    let wall = at("00:30");
    let out = |upstream: Option<&str>| Standing::OutOfService {
        reason: "换探头".into(),
        until: Some(at("09:00")),
        upstream: upstream.map(Into::into),
    };
    let doubted = |again| Standing::Uncertain { read_m: 3.60, sensor_m: 3.41, again };
    // State, the sentence, whether digits may be shown (small) at all.
    for (standing, zh, has_number) in [
        (
            Standing::Stale,
            "最近一次读数是 07:52(38 分钟前)的 3.41 米,之后没有新数据,现在水位可能已不同。",
            true,
        ),
        (Standing::DeviceLost(since), "水位计失联,07:52 起没有读数。请到现场看水尺,或打值班电话。", true),
        (Standing::GatewayLost(since), "站点通信中断,07:52 起收不到数据;恢复后会补上中断期间的记录。", true),
        (doubted(false), "传感器存疑:人工 3.60 米,传感器 3.41 米,相差 19 厘米。请以水尺为准。", true),
        (doubted(true), "传感器存疑:人工 3.60 米,传感器 3.41 米,相差 19 厘米。请再读一次水尺。", true),
        (Standing::Doubtful, "传感器存疑,请以水尺为准。", true),
        (Standing::Bad, "读数异常(超量程/长时间不变/跳变),不显示数值。", false),
        (out(Some("上游坝")), "本站检修停用:换探头,到 17:00。请看上游 上游坝。", true),
        (out(None), "本站检修停用:换探头,到 17:00。", true),
        (Standing::Exercise(Mode::Drill), "【演练】以下数字不是真实水位。", true),
        (Standing::Exercise(Mode::Test), "【测试】以下数字不是真实水位。", true),
        (Standing::NoData, "本站还没有数据。", false),
        (Standing::Closed, "本站已撤销。", false),
    ] {
        let told = tell(&standing, wall, false);
        assert_eq!(told.zh, zh);
        assert!(!told.en.is_empty() && told.en.is_ascii() || told.en.contains("换探头"), "{}", told.en);
        assert_eq!((told.is_live, told.has_number), (false, has_number), "{zh}");
        assert_eq!(told.estimate, None, "{zh}");
    }
    let unset = tell(&Standing::Live, "2026-11-21T23:54:00.000Z".parse().unwrap(), true);
    assert!(unset.zh.ends_with("读数时间未校准,显示的是收到时间。"), "{}", unset.zh);
    assert!(!unset.is_live && unset.estimate.is_none());
}

#[test]
fn another_day_is_said() {
    let told = tell(&Standing::Stale, at("20:30"), false);
    assert!(told.zh.starts_with("最近一次读数是 11-22 07:52(20 小时前)的 3.41 米"), "{}", told.zh);
}

#[test]
fn a_gap_is_from_the_last_reading_to_the_next() {
    let bad = Sample { at: at("03:20"), stage_m: Some(9.9), quality: Quality::Bad };
    let samples = [good(at("03:00"), 3.1), good(at("03:10"), 3.1), bad, good(at("04:02"), 3.2)];
    assert_eq!(gaps(&samples, at("04:10"), 300), [(at("03:10"), at("04:02"))]);
    assert_eq!(gaps(&samples, at("05:00"), 300).len(), 2, "one that is not over");
    assert_eq!(gaps(&[], at("05:00"), 300), [], "where nothing was there is no gap");
}
