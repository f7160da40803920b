//! Change of sample rate to 8 kHz by a windowed sinc, so that what telephony cannot carry does not fold back.

use std::f32::consts::PI;

/// Samples a second of G.711.
pub(crate) const RATE: u32 = 8000;

/// Zero crossings of the sinc to each side: enough for a stop band well below G.711's own noise.
const LOBES: f32 = 16.0;

/// Part of the band that is kept; the rest is the filter's slope.
const PASS: f32 = 0.92;

/// Converts samples of `rate` to [`RATE`]. Samples that are there already come back unchanged.
pub(crate) fn to_telephony(samples: &[f32], rate: u32) -> Vec<i16> {
    if rate == RATE {
        return samples.iter().copied().map(to_i16).collect();
    }
    let step = f64::from(rate) / f64::from(RATE);
    let length = u64::try_from(samples.len()).unwrap_or(u64::MAX) * u64::from(RATE) / u64::from(rate.max(1));
    // Cut-off in cycles a sample of the input: half of the lower rate.
    #[allow(clippy::cast_possible_truncation)] // a ratio near 1
    let cutoff = (0.5 * PASS) * (1.0 / step.max(1.0)) as f32;
    let reach = LOBES / (2.0 * cutoff);
    (0..length).map(|index| to_i16(sample_at(samples, index, step, cutoff, reach))).collect()
}

/// The filtered signal at output sample `index`.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
fn sample_at(samples: &[f32], index: u64, step: f64, cutoff: f32, reach: f32) -> f32 {
    let centre = index as f64 * step;
    let first = (centre - f64::from(reach)).ceil().max(0.0) as usize;
    let last = (centre + f64::from(reach)).floor() as usize;
    let (mut sum, mut weight) = (0.0, 0.0);
    for (offset, sample) in samples.iter().enumerate().take(last + 1).skip(first) {
        let distance = (offset as f64 - centre) as f32;
        let tap = sinc(2.0 * cutoff * distance) * hann(distance / reach);
        sum += sample * tap;
        weight += tap;
    }
    // Normalised, so that silence and a constant keep their level, at the ends too.
    if weight.abs() < f32::EPSILON { 0.0 } else { sum / weight }
}

fn sinc(x: f32) -> f32 {
    if x.abs() < 1e-6 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

fn hann(x: f32) -> f32 {
    if x.abs() >= 1.0 { 0.0 } else { 0.5 * (1.0 + (PI * x).cos()) }
}

#[allow(clippy::cast_possible_truncation)] // clamped
fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frequency: f32, rate: u32, count: usize) -> Vec<f32> {
        (0..count).map(|n| 0.5 * (2.0 * PI * frequency * n as f32 / rate as f32).sin()).collect()
    }

    fn rms(samples: &[i16]) -> f64 {
        // The ends are where the filter has nothing to look at.
        let inner = &samples[200..samples.len() - 200];
        (inner.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / inner.len() as f64).sqrt()
    }

    #[test]
    fn eight_kilohertz_is_left_alone() {
        let samples: Vec<i16> = (-2000..2000).map(|n| n * 16).collect();
        let floats: Vec<f32> = samples.iter().map(|s| f32::from(*s) / 32_768.0).collect();
        assert_eq!(to_telephony(&floats, RATE), samples);
    }

    #[test]
    fn speech_stays_and_what_would_fold_back_goes() {
        for rate in [11_025, 16_000, 44_100, 48_000] {
            let count = usize::try_from(rate).unwrap();
            let voice = to_telephony(&tone(1000.0, rate, count), rate);
            assert!(voice.len().abs_diff(8000) <= 1, "{rate}: {}", voice.len());
            let level = rms(&voice) / (0.5 * 32_768.0 / 2f64.sqrt());
            assert!((0.98..1.02).contains(&level), "{rate}: {level}");
            let hiss = to_telephony(&tone(5000.0, rate, count), rate);
            assert!(rms(&hiss) < 20.0, "{rate}: {}", rms(&hiss));
        }
    }

    #[test]
    fn a_lower_rate_is_raised() {
        let voice = to_telephony(&tone(400.0, 4000, 4000), 4000);
        assert!(voice.len().abs_diff(8000) <= 1);
        let level = rms(&voice) / (0.5 * 32_768.0 / 2f64.sqrt());
        assert!((0.98..1.02).contains(&level), "{level}");
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(to_telephony(&[], 48_000).is_empty());
    }
}
