// Package chaostest tests the program in processes of its own while faults are injected: processes are killed and
// frozen, databases are killed, cut off and locked, disks fill up. It consists of tests, which need the build tag
// strict.
//
// An experiment, TestPostgreSQL or TestSQLite, runs several replicas on one database. Simulated people, skills and
// backends link, refresh, revoke and look up, and every response is checked against a model:
//
//  1. A link enters the model when its first token arrives. Once a request that revokes it was sent (an attempt), it may
//     be revoked. Without an attempt, an inactive lookup or an invalid_grant means a lost token: a violation at any time.
//  2. A link is revoked for certain once an attempt was acknowledged, or once a response showed it during an attempt. A
//     lookup that is sent later must be inactive: at once in the process that acknowledged the only attempt; after 1 s in
//     a replica that was connected to the store for that second; after lookup.max_staleness in any replica.
//  3. A request without a response, and one with status 503, has an unknown outcome: it may have taken effect or may
//     still do so. A revocation with an unknown outcome is repeated until one is acknowledged.
//  4. A token that is granted to a request sent after the revocation is a violation.
//  5. While a replica is certainly partitioned from the store, its responses cannot come from the store: inactive is a
//     violation, and so is active once the partition has lasted for lookup.max_staleness. Until then it must know most of
//     what it looked up shortly before.
//  6. A refresh token that rotates is live until a child of its parent or of itself is presented. While a refresh has an
//     unknown outcome, no other token of the link is presented until the same token has been presented again.
//  7. All other statuses, and a process that exits by itself, are violations.
//
// Times are those of the test process: when a request was sent, and when its response came. A stall of the machine
// counts as a disturbance, so that slowness never fails a test.
//
// BRIDGE_FAULT_SEED repeats the random choices of an experiment. BRIDGE_FAULT_DURATION, such as 30m, replaces the
// short script of faults by random ones.
package chaostest
