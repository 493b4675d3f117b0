//! Why does a connection end? The codes of the specification's section 3.5, and one of our own.

macro_rules! statuses {
    ($($status:ident $code:literal $message:literal;)*) => {
        /// What a DISCONNECT says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Status { $($status),* }

        impl Status {
            /// Number and text.
            pub(super) const fn parts(self) -> (u64, &'static str) {
                match self { $(Status::$status => ($code, $message)),* }
            }
        }
    };
}

statuses! {
    Normal 0 "normal";
    Timeout 2 "nothing came for too long";
    TooBig 3 "the frame is larger than was agreed";
    Invalid 4 "the frame is malformed, or out of place";
    NoVersion 5 "supported-versions is missing";
    NoFrameSize 6 "max-frame-size is missing";
    NoCapabilities 7 "capabilities is missing";
    OtherVersion 8 "only SPOP 2.0 is spoken";
    FrameSize 9 "max-frame-size is at least 256";
    Fragmented 10 "fragments are not taken; send what fits one frame";
    Unknown 99 "it could not be answered";
    Stopping 100 "the server is stopping";
}
