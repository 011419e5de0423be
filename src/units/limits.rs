//! Every bound of the product, in one place (INV-07).
//!
//! A limit that a site may change is a configuration key whose default stands here; the others are fixed.

use std::time::Duration;

/// Largest frame a link accepts unless it says otherwise.
pub const FRAME_BYTES_DEFAULT: u64 = 16 << 20;
/// Largest frame a site may configure.
pub const FRAME_BYTES_MAX: u64 = 64 << 20;
/// Bytes between frames that are kept for a person to look at; the rest is only counted.
pub const SKIPPED_BYTES_KEPT: usize = 1 << 10;
/// Bytes between frames after which they are reported although no frame has begun.
pub const SKIPPED_RUN_BYTES_MAX: u64 = 64 << 10;
/// Segments one message may have before it is refused.
pub const SEGMENTS_MAX: usize = 1_000_000;
/// Fields one message may have, over all its segments, before it is refused: its index then has 16 MB.
pub const FIELDS_MAX: usize = 4_000_000;
/// Messages one frame may hold; a frame with more is refused whole.
pub const BATCH_MESSAGES_MAX: u32 = 200_000;
/// Batches of one frame whose headers are remembered; the messages of further ones are taken all the same.
pub const BATCH_ENVELOPES_MAX: usize = 1000;
/// Oddities of one batch that are listed; the rest is only counted.
pub const BATCH_FINDINGS_MAX: usize = 100;
/// Messages of one frame that wait for the journal at once; the next one is handed over when the first has its answer.
pub const BATCH_WINDOW_MAX: usize = 256;
/// Parts of one message that are put together, as long as they are no more bytes than one frame of their link may have.
pub const CONTINUATION_PARTS_MAX: usize = 1000;
/// Time after which a part no longer waits for the others by itself: it stays with a person.
pub const CONTINUATION_AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Frames of one connection that may wait for their acknowledgement; beyond it the link stops reading.
pub const UNANSWERED_FRAMES_MAX: usize = 64;
/// Bytes of one connection's unanswered frames; beyond it the link stops reading.
pub const UNANSWERED_BYTES_MAX: usize = 32 << 20;
/// Largest text of a LIS01-A2 frame: 64,000 characters with the seven around it.
pub const LIS01_FRAME_TEXT_MAX: usize = 63_993;
/// Largest text of a LIS01 frame that is sent unless the link says otherwise: what ASTM E1381 devices take.
pub const LIS01_FRAME_TEXT_DEFAULT: usize = 240;
/// How often a LIS01 frame is sent before its message is given up.
pub const LIS01_TRIES: u32 = 6;
/// LIS01 messages given up half-way within [`LIS01_ABORTS_WITHIN`] that are worth a person's time.
pub const LIS01_ABORTS: usize = 3;
/// The time for [`LIS01_ABORTS`].
pub const LIS01_ABORTS_WITHIN: Duration = Duration::from_secs(600);
/// Records of one LIS02 message; one with more is refused.
pub const LIS02_RECORDS_MAX: usize = 100_000;
/// Fields of one LIS02 record; a message with more in one is refused.
pub const LIS02_FIELDS_MAX: usize = 10_000;
/// Largest HL7 message that is made of a LIS02 message: what an order says is repeated with each of its tests.
pub const LIS02_REPORT_BYTES_MAX: usize = 64 << 20;
/// Oddities of one LIS02 message that are listed; the rest is only counted.
pub const LIS02_FINDINGS_MAX: usize = 100;
/// Silence after which an odd end of a frame counts as its end (FS without CR).
pub const LULL: Duration = Duration::from_millis(50);
/// Time a peer of MLLP release 2 has to commit a block, unless the link says otherwise.
pub const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Times a block of MLLP release 2 is sent again, unless the link says otherwise.
pub const COMMIT_RESENDS: u32 = 2;
/// Silence after a block of HLLP whose count does not match, after which the block is bad: before it, the end may have
/// been a part of the data. Longer than a terminal server holds bytes back.
pub const HLLP_DOUBT: Duration = Duration::from_millis(500);
/// HLLP: failed connections in a row after which the link is reported as down, unless the link says otherwise.
pub const HLLP_CONNECT_RETRIES: u32 = 5;
/// HLLP: pause between two attempts to connect, unless the link says otherwise.
pub const HLLP_CONNECT_PAUSE: Duration = Duration::from_secs(10);
/// HLLP: time a peer has to answer a block, unless the link says otherwise.
pub const HLLP_RECEIVE_TIMEOUT: Duration = Duration::from_secs(30);
/// HLLP: times a block is sent again, unless the link says otherwise.
pub const HLLP_SEND_RETRIES: u32 = 3;
/// Longest wait of a link protocol that a site may configure.
pub const PROTOCOL_WAIT_MAX: Duration = Duration::from_secs(600);
/// Most tries of a link protocol that a site may configure.
pub const PROTOCOL_TRIES_MAX: usize = 100;
/// Longest line that a host of HLLP may be said to take.
pub const HLLP_LINE_MAX: usize = 65_536;
/// Text lines: time a peer has to acknowledge a line, unless the link says otherwise.
pub const TEXT_REPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// Text lines: times a line is sent again, unless the link says otherwise.
pub const TEXT_RETRIES: u32 = 3;

/// Time the acknowledgement of a message may wait for its deliveries unless a link says otherwise: senders commonly give up
/// after as long.
pub const ACK_WAIT_DEFAULT: Duration = Duration::from_secs(30);
/// Longest time a site may let an acknowledgement wait for deliveries.
pub const ACK_WAIT_MAX: Duration = Duration::from_secs(600);
/// Messages of the box whose senders wait for the end of deliveries; a sender beyond it gets no acknowledgement and repeats.
pub const ACK_WAITERS_MAX: usize = 4096;
/// Application acknowledgements of one connection that wait for deliveries; beyond it the link stops reading.
pub const LATER_EXCHANGES_MAX: usize = 256;
/// Versions or processing ids one link may name.
pub const ADMITTED_MAX: usize = 20;

/// Connections one MLLP listener serves at once.
pub const CONNECTIONS_MAX: usize = 256;
/// Connections one peer address may hold at one MLLP listener.
pub const CONNECTIONS_PER_PEER_MAX: usize = 64;
/// Time a peer has to complete a frame it began.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// Shortest silence inside a frame after which a serial line is taken to have lost the rest of it.
pub const SERIAL_GAP_MIN: Duration = Duration::from_secs(2);
/// Character times of silence inside a frame after which the same holds on a slow line.
pub const SERIAL_GAP_CHARACTERS: u32 = 20;
/// Shortest silence inside a frame a site may configure: USB adapters hand bytes over every 16 ms.
pub const SERIAL_GAP_LEAST: Duration = Duration::from_millis(50);
/// Longest silence of a serial line a site may configure before it is reported.
pub const SILENCE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Shortest silence behind the last byte before a half-duplex line is written to: the time a USB adapter may hold bytes back.
pub const TURN_AROUND_MIN: Duration = Duration::from_millis(20);
/// Character times of silence before the same on a slow line.
pub const TURN_AROUND_CHARACTERS: u32 = 3;
/// Time a device has to take a byte off a serial port unless a site says less; shorter than [`WRITE_TIMEOUT`], so that the port
/// finds it first and drops what would hold up its closing.
pub const SERIAL_WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two looks at the signals and counters of a serial port.
pub const SERIAL_WATCH: Duration = Duration::from_millis(500);
/// Time between two readings of the error counters of a serial port that reports no errors.
pub const SERIAL_COUNTERS: Duration = Duration::from_secs(10);
/// Time a port may wait for the end of a frame before it takes new settings all the same.
pub const RECONFIGURE_WAIT: Duration = Duration::from_secs(30);
/// Silence after which an idle connection is closed; TCP keepalive finds dead peers earlier.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// Time a peer has to take an acknowledgement off the socket.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(15);
/// Time a TLS handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// TCP keepalive: idle time, interval and probes. A dead peer is found within 35 s.
pub const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(20), Duration::from_secs(5), 3);

/// Entries of a watched folder that one scan looks at; what is beyond them waits for the next scan.
pub const FOLDER_ENTRIES_MAX: usize = 1 << 16;
/// Files of a watched folder that are under way at once; the next ones are read when all of them have their answers.
pub const FOLDER_FILES_AT_ONCE: usize = 32;
/// Bytes of the files under way after which no further one is read.
pub const FOLDER_BYTES_AT_ONCE: u64 = 32 << 20;
/// Shortest pause between two looks at a folder that a site may configure.
pub const FOLDER_EVERY_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two looks at a folder that a site may configure.
pub const FOLDER_EVERY_MAX: Duration = Duration::from_secs(3600);
/// Longest settle time of files that a site may configure.
pub const FOLDER_SETTLE_MAX: Duration = Duration::from_secs(3600);
/// Time a file server has for one look, after which the folder is reported as lost.
pub const FOLDER_TIMEOUT: Duration = Duration::from_secs(30);

/// Time a peer has to send the head of an HTTP request.
pub const HTTP_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the token that requests over HTTP must bear.
pub const BEARER_BYTES: (usize, usize) = (16, 512);
/// Bytes of the bodies that one HTTP listener holds at once; beyond it requests are answered 429.
pub const HTTP_BYTES_AT_ONCE: usize = 128 << 20;
/// Pause that a sender over HTTP is asked for while its message cannot be taken.
pub const HTTP_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Messages committed in one transaction.
pub const COMMIT_BATCH_MAX: usize = 128;
/// Bytes of messages committed in one transaction, unless one message alone is larger.
pub const COMMIT_BATCH_BYTES_MAX: usize = 8 << 20;
/// Messages that may wait for the journal thread.
pub const JOURNAL_QUEUE_MAX: usize = 4096;
/// Settlements that may wait for a store that cannot be written; beyond it couriers wait.
pub const UNSETTLED_MAX: usize = 4096;
/// Longest time a settled delivery waits for a message commit to ride on.
pub const SETTLE_DELAY_MAX: Duration = Duration::from_millis(20);

/// Deliveries a destination may have in flight unless it says otherwise.
pub const IN_FLIGHT_DEFAULT: usize = 16;
/// Most deliveries in flight a site may configure.
pub const IN_FLIGHT_MAX: usize = 256;
/// Outbox entries of one destination known in memory; the rest stays on disk.
pub const WINDOW_MAX: usize = 2048;
/// Outbox entries read from disk at once.
pub const PAGE_MAX: usize = 256;
/// Bytes of a destination's answer that are read and kept.
pub const RESPONSE_BYTES_MAX: usize = 256 << 10;
/// Longest pause a destination may ask for by `Retry-After`.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// Shortest pause before a failed delivery is tried again.
pub const RETRY_FIRST_MIN: Duration = Duration::from_millis(10);
/// Failures of an endpoint in a row that open its breaker.
pub const BREAKER_FAILURES: u32 = 3;
/// Longest time a breaker stays open before one delivery is let through as a probe.
pub const BREAKER_OPEN_MAX: Duration = Duration::from_secs(30);
/// Quiet time after which a destination that failed over tries its preferred endpoint again.
pub const RETURN_AFTER: Duration = Duration::from_secs(60);
/// Probes of the preferred endpoint that must succeed in a row before it takes over again.
pub const RETURN_SUCCESSES: u32 = 3;
/// Attempts after which a 409 is a refusal; until then it may be our own earlier attempt still being worked on.
pub const CONFLICT_ATTEMPTS: u32 = 3;
/// Ordering keys of one lane whose entries were left on disk; beyond it the lane reads no further.
pub const SPILLED_KEYS_MAX: usize = 1 << 16;
/// Pauses between attempts to connect to a terminal server: the first and the longest. One that starts anew takes a minute.
pub const TERMINAL_REDIAL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// Longest pause between attempts to connect to a source that a site may configure.
pub const REDIAL_MAX: Duration = Duration::from_secs(3600);
/// Time to connect to a destination.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried in turn.
pub const ADDRESSES_MAX: usize = 8;
/// Bytes of an answer over MLLP that are read; larger ones are not taken for an answer.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Time after which an unused connection to a destination is closed unless it says otherwise.
pub const UNUSED_TIMEOUT: Duration = Duration::from_secs(300);
/// TLS handshakes of peers that dial in to fetch messages, at once.
pub const HANDSHAKES_MAX: usize = 8;
/// Time a destination has to answer a request.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Configuration file size.
pub const CONFIGURATION_BYTES_MAX: u64 = 1 << 20;
/// Files of one configuration: the main file and those of `conf.d`.
pub const CONFIGURATION_FILES_MAX: usize = 100;
/// Longest line of a configuration that is shown around a fault.
pub const CONFIGURATION_EXCERPT_BYTES_MAX: usize = 400;
/// Faults of one configuration that are shown; the rest is only counted.
pub const FAULTS_MAX: usize = 100;
/// Smallest frame limit a site may configure: below it ordinary messages are refused.
pub const FRAME_BYTES_MIN: u64 = 1 << 10;
/// Longest time for one frame a site may configure: 64 MiB do not fit a serial line in any case.
pub const FRAME_TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// Longest idle timeout a site may configure.
pub const IDLE_TIMEOUT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Longest pause between two messages a site may configure.
pub const GAP_MAX: Duration = Duration::from_secs(60);
/// Longest silence before TCP keepalive asks that a site may configure: firewalls forget idle connections after ten minutes.
pub const KEEPALIVE_IDLE_MAX: Duration = Duration::from_secs(600);
/// Longest response timeout a site may configure.
pub const RESPONSE_TIMEOUT_MAX: Duration = Duration::from_secs(600);
/// Smallest store a site may configure: two default frames, indexes and the ballast fit.
pub const STORE_BYTES_MIN: u64 = 64_000_000;
/// Largest store a site may configure.
pub const STORE_BYTES_MAX: u64 = 16_000_000_000_000;
/// Shortest time delivered messages are kept: repeated sends within it are recognised.
pub const KEEP_MIN: Duration = Duration::from_secs(60);
/// Longest time delivered messages are kept; what must be kept longer belongs to an archive.
pub const KEEP_MAX: Duration = Duration::from_secs(3650 * 24 * 3600);
/// Networks one listener may allow.
pub const NETWORKS_MAX: usize = 256;
/// Endpoints beside the preferred one.
pub const FAILOVER_MAX: usize = 8;
/// Message types of one flow.
pub const PATTERNS_MAX: usize = 100;
/// Lines of one part of a use case: what it needs, what comes of it, what could go wrong.
pub const USE_CASE_LINES_MAX: usize = 40;
/// People a flow escalates to.
pub const CONTACTS_MAX: usize = 20;
/// Links, destinations and flows of one site, each.
pub const NAMES_MAX: usize = 200;
/// Metric series of one box.
pub const SERIES_MAX: usize = 4000;

/// Time a stop may take: in-flight commits and deliveries end within it.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Time the store's threads may take to end once everything is committed.
pub const THREADS_TIMEOUT: Duration = Duration::from_secs(2);

/// Commands that the daemon serves on its admin socket at once; further ones wait.
pub const ADMIN_CONNECTIONS_MAX: usize = 8;
/// Bytes of one admin request.
pub const ADMIN_REQUEST_BYTES_MAX: usize = 64 << 10;
/// Bytes of one admin answer.
pub const ADMIN_ANSWER_BYTES_MAX: usize = 16 << 20;
/// Time a command has to say what it wants, and to take its answer.
pub const ADMIN_PEER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time the daemon has to answer a command.
pub const ADMIN_ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Entries one listing shows at most.
pub const LISTED_MAX: usize = 1000;
/// Journal rows that one listing looks at, if it looks for something rare.
pub const LISTED_ROWS_MAX: usize = 10_000;
/// Receipts newer than a message that are looked through for those of a repeated send.
pub const LATE_RECEIPTS_MAX: i64 = 100_000;
/// Characters of one value that a message shown for people keeps.
pub const SHOWN_CHARACTERS_MAX: usize = 4096;
/// Characters of a reason, and of the name of who gave an order.
pub const REASON_CHARACTERS_MAX: usize = 500;
/// Findings about one message against its profile that are kept; the rest is only counted.
pub const FINDINGS_MAX: usize = 100;
/// Rules about segments and fields that one profile may have, each.
pub const PROFILE_RULES_MAX: usize = 1000;
/// Code tables of one profile, and codes of all of them together.
pub const PROFILE_CODES_MAX: usize = 10_000;
/// Profiles of one site, the built-in ones among them.
pub const PROFILES_MAX: usize = 100;

/// Events of a link that wait for somebody who watches it; older ones are missed, the link never waits.
pub const TAP_EVENTS_MAX: usize = 256;
/// How many may watch one link at once.
pub const TAPS_MAX: usize = 2;
/// Longest time that a link is watched.
pub const TAP_TIME_MAX: Duration = Duration::from_secs(3600);
/// Silence after which a watcher is shown what might have been the beginning of a name.
pub const TAP_FLUSH: Duration = Duration::from_millis(300);

/// Bytes of one value that the picture of a job keeps; documents are no matter of a job.
pub const PICTURE_VALUE_BYTES_MAX: usize = 16 << 10;
/// Values that the picture of a job keeps.
pub const PICTURE_SLOTS_MAX: usize = 600;
/// Reports about one job that are remembered to know their repeats.
pub const JOB_REPORTS_REMEMBERED_MAX: usize = 256;
/// Units of one job that have a track of their own.
pub const JOB_UNITS_MAX: usize = 32;
/// Jobs that one message can open or touch.
pub const JOBS_OF_MESSAGE_MAX: usize = 100;
/// Names, and identifiers of its patient, that one job is found by, each.
pub const JOB_KEYS_MAX: usize = 64;
/// Waiting deliveries about jobs of one destination of which it is remembered one by one that they may have left.
pub const TOUCHED_MAX: usize = 10_000;
/// Jobs that wait for each other in one chain.
pub const JOB_WAITS_MAX: usize = 32;
/// Times at which a unit was free that are remembered for one job.
pub const JOB_UNIT_FREED_MAX: usize = 16;
/// Bytes of one map or table file.
pub const MAP_BYTES_MAX: usize = 1 << 20;
/// Maps of one site, the built-in ones among them, and its versions each counted.
pub const MAPS_MAX: usize = 200;
/// Code tables of one site.
pub const TABLES_MAX: usize = 1000;
/// Codes of one table.
pub const TABLE_CODES_MAX: usize = 20_000;
/// Triggers, needs and resources of one map, each.
pub const MAP_PARTS_MAX: usize = 200;
/// Rows of one map.
pub const MAP_ROWS_MAX: usize = 2000;
/// Elements inside each other that a row may name, such as three in `agent[0].who.display`.
pub const MAP_DEPTH_MAX: usize = 10;
/// Sources of one row, in each of its lists.
pub const ROW_SOURCES_MAX: usize = 50;
/// Values that a map may look at for one message: each row looks at each value of its sources once.
pub const MAP_WORK_MAX: usize = 200_000;
/// Values at one place of a message that one row of a map of jobs takes; a message with more waits for a person.
pub const MAP_REPETITIONS_MAX: usize = 200;
/// The same where a map tells what is: reports have very many lines.
pub const MAP_LINES_MAX: usize = 20_000;
/// Segments of one message that a map translates.
pub const MAP_SEGMENTS_MAX: usize = 20_000;
/// Bytes of one identifier that a map reads; a longer one is none (HL7 v2 gives CX-1 at most 250).
pub const MAP_IDENTIFIER_BYTES_MAX: usize = 250;
/// Bytes of one Bundle.
pub const BUNDLE_BYTES_MAX: usize = 4 << 20;
/// Samples of one map.
pub const MAP_SAMPLES_MAX: usize = 500;
/// Promotions of one flow's map that can be taken back; older ones are only in the audit chain.
pub const PROMOTIONS_KEPT_MAX: usize = 20;
/// Stored messages that one comparison of two maps looks at.
pub const MAP_DIFF_MESSAGES_MAX: usize = 10_000;
/// Messages that one spot check shows.
pub const MAP_AUDIT_MESSAGES_MAX: usize = 100;
/// How far back a spot check looks.
pub const MAP_AUDIT_WINDOW: Duration = Duration::from_secs(31 * 24 * 3600);
/// Characters of an unmapped code that is shown; a longer one is no code.
pub const SHOWN_CODE_CHARACTERS_MAX: usize = 40;
