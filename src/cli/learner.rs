//! Which learner, and how is it set?

use clap::ValueEnum;

use crate::error::{Error, ErrorKind};
use crate::learn::{Boost, CalibrationKind, IsolationForest, Learner, LogisticBaseline, RandomForest};

/// What learns, and its settings.
#[derive(clap::Args)]
pub(super) struct LearnerArgs {
    /// What learns
    #[arg(long, value_enum, default_value_t = Kind::Boost)]
    pub(super) learner: Kind,
    /// Form of the calibration [default: isotonic from 200 frauds on, else platt]
    #[arg(long, value_enum)]
    pub(super) calibrate: Option<CalibrationKind>,
    /// How many trees
    #[arg(long, value_name = "N")]
    trees: Option<usize>,
    /// Questions in a row at most
    #[arg(long, value_name = "N")]
    depth: Option<u8>,
    /// Boosting: share of its answer that each tree gives
    #[arg(long, value_name = "SHARE")]
    rate: Option<f64>,
    /// Boosting, logistic: weight of squared leaves or weights
    #[arg(long, value_name = "WEIGHT")]
    l2: Option<f64>,
    /// Boosting: least sum of second derivatives on each side of a split
    #[arg(long, value_name = "WEIGHT")]
    child_weight: Option<f64>,
    /// Boosting: share of rows that each tree sees
    #[arg(long, value_name = "SHARE")]
    row_share: Option<f64>,
    /// Boosting: share of inputs that each tree may ask about
    #[arg(long, value_name = "SHARE")]
    input_share: Option<f64>,
    /// Boosting, forest: how much more a fraud counts than a good payment
    #[arg(long, value_name = "WEIGHT")]
    fraud_weight: Option<f64>,
    /// Isolation: rows that each tree is grown from
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(super) enum Kind {
    /// Gradient boosting with exact splits
    Boost,
    /// Random forest
    Forest,
    /// Logistic regression
    Logistic,
    /// Isolation forest: no labels needed
    Isolation,
}

impl ValueEnum for CalibrationKind {
    fn value_variants<'a>() -> &'a [CalibrationKind] {
        &[CalibrationKind::Isotonic, CalibrationKind::Platt]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            CalibrationKind::Isotonic => "isotonic",
            CalibrationKind::Platt => "platt",
        }))
    }
}

impl LearnerArgs {
    /// The learner with its settings.
    ///
    /// # Errors
    /// A setting that another learner has.
    pub(super) fn learner(&self) -> Result<Learner, Error> {
        let (args, kind) = (self, self.learner);
        let only = |given: bool, flag: &str, kinds: &[Kind]| {
            if given && !kinds.contains(&kind) {
                return Err(Error::new(format!("{flag} is no setting of this learner")).of(ErrorKind::Rules));
            }
            Ok(())
        };
        let trees = [Kind::Boost, Kind::Forest, Kind::Isolation];
        only(args.trees.is_some(), "--trees", &trees)?;
        only(args.depth.is_some(), "--depth", &[Kind::Boost, Kind::Forest])?;
        only(args.rate.is_some(), "--rate", &[Kind::Boost])?;
        only(args.l2.is_some(), "--l2", &[Kind::Boost, Kind::Logistic])?;
        only(args.child_weight.is_some(), "--child-weight", &[Kind::Boost])?;
        only(args.row_share.is_some(), "--row-share", &[Kind::Boost])?;
        only(args.input_share.is_some(), "--input-share", &[Kind::Boost])?;
        only(args.fraud_weight.is_some(), "--fraud-weight", &[Kind::Boost, Kind::Forest])?;
        only(args.samples.is_some(), "--samples", &[Kind::Isolation])?;
        only(args.calibrate.is_some(), "--calibrate", &[Kind::Boost, Kind::Forest, Kind::Logistic])?;
        Ok(match kind {
            Kind::Boost => {
                let d = Boost::default();
                Learner::Boost(Boost {
                    trees: args.trees.unwrap_or(d.trees),
                    depth: args.depth.unwrap_or(d.depth),
                    rate: args.rate.unwrap_or(d.rate),
                    l2: args.l2.unwrap_or(d.l2),
                    child_weight_min: args.child_weight.unwrap_or(d.child_weight_min),
                    rows: args.row_share.unwrap_or(d.rows),
                    inputs: args.input_share.unwrap_or(d.inputs),
                    fraud_weight: args.fraud_weight.unwrap_or(d.fraud_weight),
                    ..d
                })
            }
            Kind::Forest => {
                let d = RandomForest::default();
                Learner::Forest(RandomForest {
                    trees: args.trees.unwrap_or(d.trees),
                    depth: args.depth.unwrap_or(d.depth),
                    fraud_weight: args.fraud_weight.unwrap_or(d.fraud_weight),
                    ..d
                })
            }
            Kind::Logistic => Learner::Logistic(LogisticBaseline { l2: args.l2.unwrap_or(1.0) }),
            Kind::Isolation => {
                let d = IsolationForest::default();
                Learner::Isolation(IsolationForest {
                    trees: args.trees.unwrap_or(d.trees),
                    samples: args.samples.unwrap_or(d.samples),
                })
            }
        })
    }
}
