// Package chaostest tests the program in processes of its own while faults are injected: processes are killed and
// frozen, databases are killed, cut off and locked, disks fill up, and a provider fails. It consists of tests, which
// need the build tag strict.
//
// An experiment, TestPostgreSQL or TestSQLite, runs several replicas on one database. Simulated people, skills and
// backends link, refresh, revoke and look up, a directory ends accounts by SCIM, and two providers are asked all the
// time whether accounts still live. One of them never fails; the other one loses answers after it has replaced a
// refresh token, is down, and removes accounts. Every response is checked against a model:
//
//  1. A link enters the model when its first token arrives. Once a request that revokes it was sent (an attempt), it
//     may be revoked. Without an attempt, an inactive lookup or an invalid_grant means a lost token: a violation at any
//     time.
//  2. A link is revoked for certain once an attempt was acknowledged, or once a response showed it during an attempt. A
//     lookup that is sent later must be inactive: at once in the process that acknowledged the only attempt; after 1 s
//     in a replica that was connected to the store for that second; after lookup.max_staleness in any replica.
//  3. A request without a response, and one with status 503, has an unknown outcome: it may have taken effect or may
//     still do so. A revocation with an unknown outcome is repeated until one is acknowledged.
//  4. A token that is granted to a request sent after the revocation is a violation.
//  5. While a replica is certainly partitioned from the store, its responses cannot come from the store: inactive is a
//     violation, and so is active once the partition has lasted for lookup.max_staleness. Until then it must know most
//     of what it looked up shortly before.
//  6. A refresh token that rotates is live until a child of its parent or of itself is presented. While a refresh has
//     an unknown outcome, no other token of the link is presented until the same token has been presented again.
//  7. What a directory tells is repeated until it is acknowledged. Then all links of the person are revoked as by 2,
//     also if only an earlier request took effect, and consent to an earlier sign-in makes no link.
//  8. A link whose account the provider removed may be revoked, or be unknown (503), at any time. Active, and a token
//     granted, is a violation once recheck_limit has passed since. Then 2 applies from when it first was inactive.
//  9. Whatever a provider does, no other link of it is inactive without an attempt. Once all faults are over each is
//     active again, and each link of an account that was removed is inactive, or unknown for good if an answer was
//     lost: the provider has seen an old refresh token of the link, or it refuses one after it has not answered, or a
//     process was killed that may have had the answer, and there are no more of these than it may ask at once.
//  10. The audit log has one record of the end of each link that is revoked for certain, and none of a live one.
//  11. All other statuses, and a process that exits by itself, are violations.
//
// Times are those of the test process: when a request was sent, and when its response came. A stall of the machine
// counts as a disturbance, so that slowness never fails a test.
//
// BRIDGE_FAULT_SEED repeats the random choices of an experiment. BRIDGE_FAULT_DURATION, such as 30m, replaces the
// short script of faults by random ones.
package chaostest
