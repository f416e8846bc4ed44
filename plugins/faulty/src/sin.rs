//! All sins. Each must be caught by a named case of the conformance kit: its test fails when one is missing there.

use serde::Deserialize;

macro_rules! sins {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)+) => {
        /// How the plug-in misbehaves.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
        pub enum Sin {
            /// Not at all.
            #[default]
            #[serde(rename = "none")]
            None,
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl Sin {
            /// Every sin's name.
            pub const NAMES: &[&str] = &[$($word),+];

            /// The sin that the environment names, if any.
            pub(crate) fn of_environment() -> Self {
                match std::env::var("PATD_FAULTY_SIN").as_deref() {
                    $(Ok($word) => Self::$variant,)+
                    _ => Self::None,
                }
            }
        }
    };
}

sins! {
    // Tables and descriptions; only by the environment.
    /// `get_factory` answers any id.
    AnyFactory = "any_factory",
    /// The table says that it has 12 bytes.
    ShortTable = "short_table",
    /// A function of the table is NULL.
    NullFunction = "null_function",
    /// The table asks for a flag that nobody knows.
    UnknownFlag = "unknown_flag",
    /// `create` takes any host and gives no instance.
    TakesShortHost = "takes_short_host",
    /// `describe` gives no JSON.
    DescribesGarbage = "describes_garbage",
    /// `describe` panics.
    PanicInDescribe = "panic_in_describe",
    /// `describe` names another kind.
    DescribesOther = "describes_other",
    /// `describe` gives a config_schema that is none.
    DescribesNoSchema = "describes_no_schema",
    /// `describe` gives a config_schema that would have to be fetched.
    DescribesRemoteSchema = "describes_remote_schema",
    /// `describe` gives a config_schema that its own example does not fit.
    DescribesOtherConfig = "describes_other_config",
    /// A known answer is wrong.
    WrongAnswer = "wrong_answer",

    // The process: a hasher commits these in `create`, a sink in its calls.
    /// Prints on standard output.
    PrintsStdout = "prints_stdout",
    /// Sets an environment variable.
    SetsEnv = "sets_env",
    /// Changes the working directory.
    ChangesCwd = "changes_cwd",
    /// Changes the umask.
    ChangesUmask = "changes_umask",
    /// Installs a signal handler.
    HandlesSignal = "handles_signal",
    /// Leaves a thread behind.
    LeaksThread = "leaks_thread",
    /// Leaves a file open.
    LeaksFile = "leaks_file",
    /// Leaves memory behind.
    LeaksMemory = "leaks_memory",
    /// Aborts the process.
    Aborts = "aborts",
    /// Ends the process.
    Exits = "exits",
    /// Runs out of stack.
    OverflowsStack = "overflows_stack",

    // Making and ending an instance.
    /// Panics in `create`.
    PanicInCreate = "panic_in_create",
    /// Panics in `destroy`.
    PanicInDestroy = "panic_in_destroy",
    /// Works in the first copy of the library only.
    RefusesSecondImage = "refuses_second_image",
    /// Refuses a host that is newer.
    RefusesNewerHost = "refuses_newer_host",
    /// Refuses its own example.
    RefusesExample = "refuses_example",
    /// Takes keys that it does not know.
    TakesUnknownKey = "takes_unknown_key",
    /// Takes any configuration.
    IgnoresConfig = "ignores_config",
    /// Repeats the configuration in a detail.
    EchoesConfig = "echoes_config",
    /// Repeats the configuration in the log.
    LogsConfig = "logs_config",

    // Hashers.
    /// Panics in every `derive`.
    PanicInDerive = "panic_in_derive",
    /// Panics in `derive` of the secret `boom`.
    PanicOnBoom = "panic_on_boom",
    /// Panics in `new_params`.
    PanicInNewParams = "panic_in_new_params",
    /// Panics in `needs_rehash`.
    PanicInNeedsRehash = "panic_in_needs_rehash",
    /// Panics over an empty secret.
    PanicOnEmpty = "panic_on_empty",
    /// Panics over parameters of another.
    PanicOnForeign = "panic_on_foreign",
    /// The digest depends on the parameters alone.
    IgnoreSecret = "ignore_secret",
    /// The digest is the same for everything.
    ConstantDigest = "constant_digest",
    /// The digest is empty.
    EmptyDigest = "empty_digest",
    /// The digest has 100 MiB.
    FloodDigest = "flood_digest",
    /// The digest is another each time.
    NotRepeatable = "not_repeatable",
    /// Looks at the first four bytes of the secret only.
    TruncateSecret = "truncate_secret",
    /// Looks at the first 72 bytes of the secret only.
    Truncate72 = "truncate_72",
    /// Takes upper and lower case for the same.
    IgnoresCase = "ignores_case",
    /// Looks at the secret up to a zero byte only.
    StopsAtZero = "stops_at_zero",
    /// The digest does not depend on the salt.
    IgnoresSalt = "ignores_salt",
    /// Two calls at once disturb each other.
    Race = "race",
    /// `needs_rehash` fails.
    NoRehash = "no_rehash",
    /// Its own new digests need a re-hash.
    AlwaysRehash = "always_rehash",
    /// New digests have a scheme that it does not describe.
    OtherScheme = "other_scheme",
    /// Takes any parameters.
    TakesForeignParams = "takes_foreign_params",
    /// Computes whatever cost the parameters ask for.
    ComputesHuge = "computes_huge",
    /// Takes seconds for a digest.
    Slow = "slow",
    /// Never ends a digest.
    Hangs = "hangs",
    /// Gives a digest together with a refusal.
    DigestWithRefusal = "digest_with_refusal",
    /// Gives a detail together with a digest.
    DetailWithDigest = "detail_with_digest",
    /// Repeats the secret in a detail.
    EchoesSecret = "echoes_secret",
    /// Repeats the secret in the log.
    LogsSecret = "logs_secret",

    // Sinks.
    /// Refuses to start.
    NoStart = "no_start",
    /// Is never healthy.
    Unhealthy = "unhealthy",
    /// Panics in START.
    PanicInStart = "panic_in_start",
    /// Panics in STOP.
    PanicInStop = "panic_in_stop",
    /// Never answers STOP.
    NeverStops = "never_stops",
    /// Panics on a thread of its own, holding the completion.
    PanicInCall = "panic_in_call",
    /// Panics inside `submit`.
    PanicInSubmit = "panic_in_submit",
    /// Panics in `cancel`.
    PanicInCancel = "panic_in_cancel",
    /// Keeps the completion for ever.
    NeverCompletes = "never_completes",
    /// Answers twice.
    CompletesTwice = "completes_twice",
    /// Answers requests that are not its own, then its own.
    CompletesForeign = "completes_foreign",
    /// Answers a cancelled request that was never made.
    CompletesOnCancel = "completes_on_cancel",
    /// Answers long after the budget.
    Late = "late",
    /// Blocks its caller in `submit`.
    BlocksInSubmit = "blocks_in_submit",
    /// Answers with bytes that are no JSON.
    Garbage = "garbage",
    /// Answers with a status that does not exist.
    UnknownStatus = "unknown_status",
    /// Answers with 100 MiB.
    Flood = "flood",
    /// Answers OK together with a detail that says the opposite.
    OkWithError = "ok_with_error",
    /// Answers a failure together with a good payload.
    ErrorWithPayload = "error_with_payload",
    /// Answers OK and nothing more.
    Silent = "silent",
    /// Serves before START.
    ServesUnstarted = "serves_unstarted",
    /// Takes any payload.
    TakesNonsense = "takes_nonsense",
    /// Serves operations that it does not know.
    ServesUnknownOp = "serves_unknown_op",
    /// Loses requests when there are many at once.
    LosesInCrowd = "loses_in_crowd",
    /// Answers STOP before what came before.
    StopsAtOnce = "stops_at_once",
    /// Serves after STOP.
    ServesAfterStop = "serves_after_stop",
    /// Goes on working after STOP.
    WorksAfterStop = "works_after_stop",
    /// Accepts no event.
    AcceptsNothing = "accepts_nothing",
    /// Accepts events that nobody sent.
    AcceptsForged = "accepts_forged",
    /// Refuses a batch that it had.
    RefusesDuplicates = "refuses_duplicates",
    /// Refuses large batches.
    RefusesLarge = "refuses_large",
    /// Takes events without an id.
    TakesNameless = "takes_nameless",
    /// Cannot flush.
    FlushFails = "flush_fails",

    // Stores.
    /// Always has a migration to apply.
    PendingForEver = "pending_for_ever",
    /// Forgets when a token was used.
    DropsField = "drops_field",
    /// Writes over rows that somebody else changed.
    IgnoresVersions = "ignores_versions",
    /// Does not say what a row is now.
    HidesCurrent = "hides_current",
    /// Writes although an expectation does not hold.
    IgnoresExpectations = "ignores_expectations",
    /// Writes although there are too many tokens.
    IgnoresCounts = "ignores_counts",
    /// Takes two live tokens of one name.
    NotUnique = "not_unique",
    /// Applies a change as often as it comes.
    ReplaysTwice = "replays_twice",
    /// Replaces a digest that is not the one that was read.
    RehashesBlindly = "rehashes_blindly",
    /// Keeps what it wrote before a conflict.
    HalfApplies = "half_applies",
    /// Loses one change of many, and says that it is done.
    LosesChanges = "loses_changes",
    /// Loses updates that come at once.
    LostUpdate = "lost_update",
    /// Answers the queries of one request from several moments.
    TornReads = "torn_reads",
    /// Skips rows between pages.
    SkipsRows = "skips_rows",
    /// Shows a site the events of another.
    MixesSites = "mixes_sites",
    /// Shows events whatever the filter says.
    IgnoresFilters = "ignores_filters",
    /// Applies changes without their events.
    LosesEvents = "loses_events",
    /// Gives events out of order.
    UnorderedOutbox = "unordered_outbox",
    /// Forgets what a sink acknowledged.
    ForgetsCursor = "forgets_cursor",
    /// Keeps one cursor for all sites.
    OneCursor = "one_cursor",
    /// Moves the cursor and loses the dead letters.
    LosesDeadLetters = "loses_dead_letters",
    /// Counts the events of all sites as waiting.
    Miscounts = "miscounts",
    /// Removes events beyond what was asked.
    RemovesTooMuch = "removes_too_much",
    /// Gives a lease to whoever asks.
    LeasesTwice = "leases_twice",
    /// Keeps nothing on stable storage.
    Forgets = "forgets",

    // Stores: schema, copies and counts.
    /// MIGRATE starts anew, without rows.
    MigrateForgets = "migrate_forgets",
    /// Opens what a newer version wrote.
    TakesNewerSchema = "takes_newer_schema",
    /// Backs up nothing.
    BackupEmpty = "backup_empty",
    /// Backs up the last change without its rows.
    BackupTorn = "backup_torn",
    /// Writes a backup over what is there.
    BackupOverwrites = "backup_overwrites",
    /// Makes backups that anybody can read.
    BackupForAll = "backup_for_all",
    /// Leaves the last row out of an export, and out of its count.
    ExportLosesARow = "export_loses_a_row",
    /// Exports backwards.
    ExportUnordered = "export_unordered",
    /// Imports into a store that has rows.
    ImportIntoFull = "import_into_full",
    /// Imports tokens as if they were new.
    ImportRenumbers = "import_renumbers",
    /// Keeps what an import that failed has brought.
    ImportKeepsPart = "import_keeps_part",
    /// Counts a digest that is not there.
    DigestsWrong = "digests_wrong",
    /// Tells a digest as its sample.
    DigestsTold = "digests_told",
}
