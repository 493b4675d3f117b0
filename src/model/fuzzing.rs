//! Does any file of bytes make a model that fails? What the fuzz target calls.

use super::Artifact;

/// Reads the bytes as an artifact and asks what compiles: every number that comes back is finite.
pub fn model(bytes: &[u8]) {
    let Ok(artifact) = Artifact::read(bytes) else { return };
    let Ok(model) = artifact.compile() else { return };
    for value in [f32::NAN, f32::INFINITY, f32::MIN, -1.0, 0.0, 0.5, 1.0, f32::MAX] {
        let row = vec![value; model.width()];
        let mut shares = vec![0.0; row.len()];
        let margin = model.margin(&row);
        assert!(margin.is_finite(), "margin {margin}");
        let rest = model.contributions(&row, &mut shares);
        assert!(rest.is_finite() && shares.iter().all(|s| s.is_finite()), "shares {shares:?}, rest {rest}");
        if let Some(calibration) = &artifact.calibration {
            let probability = calibration.probability(margin);
            assert!((0.0..=1.0).contains(&probability), "probability {probability}");
        }
    }
}
