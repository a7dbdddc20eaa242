//! The findings of the reliability review of an earlier design, in its own terms: what happened then, and how a drill plays it.
//!
//! Must not know: how the gateway does better.

/// A finding, and its drill.
pub(super) struct Finding {
    /// As the review numbers it.
    pub(super) number: &'static str,
    /// What the review calls it.
    pub(super) title: &'static str,
    /// The review's scenario: what the earlier design did, and what that cost.
    pub(super) before: &'static str,
    /// How it is broken here, and which of the review's numbers is another.
    pub(super) played: &'static str,
    /// About how long the drill takes.
    pub(super) seconds: u32,
}

/// All of them, in the review's order.
pub(super) const FINDINGS: [Finding; 18] = [
    Finding {
        number: "C1",
        title: "No idempotency design for payment operations",
        before: "A merchant sent the same payment again, in a rolling update or after a network time-out. There was no idempotency key and nothing \
                 noticed the copy: the same card was charged several times, the customer billed twice, and people matched the books by hand.",
        played: "100 copies of one request at once, with one Idempotency-Key; then the gateway is killed and started again, and the merchant \
                 retries once more; then the same key with another amount.",
        seconds: 1,
    },
    Finding {
        number: "C2",
        title: "Missing circuit breaker for provider failures",
        before: "Stripe degraded: 30 % of its requests timed out after 10 s, each was retried 3 times, so a payment held its thread for 30 s. Threads \
                 and connections ran out, PayPal's healthy payments stopped, health checks failed and pods were restarted: all of it down for \
                 one provider's sake, against 43 minutes a month of the 99.9 % SLO.",
        played: "Worse: every request to Stripe hangs for 10 s. The gateway waits 1.5 s for an answer (10 s in production), so that the drill is \
                 short. 10 payments through Stripe and 20 through PayPal come at once, then 20 more through Stripe.",
        seconds: 3,
    },
    Finding {
        number: "C3",
        title: "No transaction time-out and no detection of stuck transactions",
        before: "The provider was called and its webhook never came: the payment stayed PENDING or AUTHORIZED for good. The customer's money was held, \
                 the order not fulfilled. The daily batch looked at captured payments only, so each stuck one was a person's investigation.",
        played: "Six payments, each stuck in another way: the answer and every webhook lost; the request lost; Stripe not to be asked for two hours; \
                 a payer who never comes; a hold that nobody captures; a success that turns up late. The merchant never asks again. The clock is moved.",
        seconds: 20,
    },
    Finding {
        number: "C4",
        title: "Failed webhook deliveries are not retried",
        before: "The merchant's server was down, too slow or not to be found when the webhook was sent. It was sent once: the notification was lost for \
                 good, the merchant had no record of the payment, and somebody had to tell him by hand.",
        played: "The merchant answers 503, and the gateway is killed while the retry is due; the gateway is killed between the merchant's answer and its \
                 own record; the merchant is down for longer than the whole schedule. The clock is moved over the schedule's 33 hours.",
        seconds: 2,
    },
    Finding {
        number: "C5",
        title: "No coordination between the database and the provider's API",
        before: "The record was written (PENDING), Stripe authorized, and the process crashed before Stripe's transaction id was in the database. On \
                 restart nothing linked the two: a charge that could be neither voided nor refunded, and a second one if the merchant tried again.",
        played: "The gateway dies at each step of a create and of a capture: before it writes its intent, between that and the call, between the \
                 provider's answer and its record, and after that. Each time it is started again on the same data, and the merchant retries with the same key.",
        seconds: 1,
    },
    Finding {
        number: "C6",
        title: "No rate limiting and no backpressure against request floods",
        before: "With one merchant's leaked key an attacker sent 100,000 payment requests. The autoscaler added pods, the provider's quota did not grow \
                 (Stripe: 100 a second), its 429s were retried 3 times each, and the other merchants' payments failed for want of quota.",
        played: "1,000 requests at once of one merchant, whose limit is production's default of 100 a minute, while another one pays; then 100 retries of \
                 one payment; then 1,000 requests with made-up keys.",
        seconds: 3,
    },
    Finding {
        number: "S1",
        title: "The database is a single point of failure",
        before: "A failover of Cloud SQL takes 30 to 120 s. Meanwhile every write failed, retries were used up within 30 s, merchants got errors, and reads \
                 failed too for want of a replica: a gap of one or two minutes, more than the SLO allows once a month.",
        played: "The store is locked for 8 s (instead of 30 to 120), just when Stripe has charged and that is not yet written. A store operation may take \
                 0.5 s (5 s in production). Payments, a capture, a look and a provider's event come meanwhile.",
        seconds: 10,
    },
    Finding {
        number: "S2",
        title: "Health checks do not tell which dependency failed",
        before: "Probes were not specified: a pod said that it was healthy while its connection pool was exhausted, and went on to get traffic that ended in \
                 500s. With Stripe down it stayed healthy too, although it could do no Stripe payment.",
        played: "Stripe is away, then the store, then the counters (Redis); each time /health/live, /health/ready and /health/deep are asked.",
        seconds: 11,
    },
    Finding {
        number: "S3",
        title: "No SLO definition and no error budget tracking",
        before: "99.9 % was promised, and nobody had said of which requests, how the budget of 43 minutes a month was spent, or at which burn rate somebody is \
                 called. Violations were seen late, and whether a deployment could be afforded was a guess.",
        played: "A gateway is scraped as Prometheus would, every 15 s of the drill's own time, over more than an hour: a well hour with declines and merchants' \
                 mistakes, Stripe's outage, and a total outage (the store is locked, until a tenth of the budget would be gone in an hour).",
        seconds: 30,
    },
    Finding {
        number: "S4",
        title: "A settlement batch that fails has no automated recovery",
        before: "The batch at 02:00 failed midway: some payments were SETTLED, others still CAPTURED. An alert, and a person the next morning: 6 hours and more, \
                 with no procedure, and running the batch again could settle twice.",
        played: "Three days, three captured payments each. On each the settlement at 02:00 dies elsewhere: before a chunk is committed, after it, and before the \
                 settlement is finished. Then it is run again, and once more.",
        seconds: 6,
    },
    Finding {
        number: "S5",
        title: "No rollback criteria and no automated rollback",
        before: "A release made 10 % of the authorizations fail. The rolling update went on until every pod ran it; people noticed after 15 minutes, from \
                 customers, and rolled back by hand: 15 minutes of errors out of a month's 43.",
        played: "Four releases beside a good one, on the same store: one does not reach Stripe, one has every fourth payment declined, one takes 1.2 s, one is well. \
                 Each gets 10, then 50, then 100 % for ten minutes each, and is scraped every 30 s, in the drill's own time.",
        seconds: 36,
    },
    Finding {
        number: "M1",
        title: "Monitoring does not cover the four golden signals",
        before: "Requests, response times, an error rate and database connections were measured: not by endpoint or merchant, not by kind of error, not against \
                 the 500 ms that were promised, and nothing of queues, memory or the providers' quota. Who was in trouble, and why, took long to find.",
        played: "Three merchants send a load through three providers and count for themselves what they sent, what was answered and how long it took; then \
                 /metrics and the log have to say the same.",
        seconds: 8,
    },
    Finding {
        number: "M2",
        title: "Provider webhooks are not correlated with API calls",
        before: "Nothing matched a provider's webhook with the payment it was about, nor noticed one that came twice (providers send again): events of unknown \
                 payments were processed, and a payment's state could be changed by the wrong one.",
        played: "Every webhook of five payments is sent twice and out of order; then comes one for a charge that is none of ours.",
        seconds: 2,
    },
    Finding {
        number: "M3",
        title: "No capacity planning and no load shedding",
        before: "1000 TPS were promised, and nothing said what a pod can do or what happens beyond: past its capacity every request slowed down, time-outs grew, \
                 retries multiplied the load, and a spike could end in an outage.",
        played: "An instance with 8 places (256 in production) and a Stripe that takes 200 ms can make 35 payments a second. Ten times as many come for 3 s, with \
                 10 captures and 10 refunds among them.",
        seconds: 5,
    },
    Finding {
        number: "M4",
        title: "Backups are not tested, and RPO and RTO are not defined",
        before: "Cloud SQL made backups that nobody had ever restored. How much may be lost (RPO) and how soon service is back (RTO) was not said, and no \
                 procedure was written: a broken backup would be noticed in the disaster.",
        played: "A backup is taken; after it come a capture, an authorization and a payment that is captured at once. Then the store's files are lost and the \
                 backup is restored. One merchant is let in too soon, to see what that does. The RTO is the review's half hour.",
        seconds: 1,
    },
    Finding {
        number: "I1",
        title: "No distributed tracing",
        before: "A correlation id stood in the log, but no trace spans: where a slow or failed payment spent its time, over functions, the queue and the provider, \
                 had to be pieced together from logs.",
        played: "A payment within the merchant's own trace, with a Stripe that takes 0.4 s; one whose delivery the gateway does not survive; then the collector of traces is gone.",
        seconds: 2,
    },
    Finding {
        number: "I2",
        title: "No feature flags for provider selection",
        before: "A degraded provider could be neither turned off nor routed around without deploying code: in its outage, and in its maintenance windows, payments \
                 went on to fail there.",
        played: "Stripe is turned off at run time while payments come and one is half done, turned on again, and then new payments are shared out 70 to 30 with PayPal.",
        seconds: 3,
    },
    Finding {
        number: "I3",
        title: "No runbooks for incidents",
        before: "\"Manual intervention\" was planned for several failures, and for none was it written down which breaker or query to look at, how to route \
                 around, or when it is over.",
        played: "Two incidents: Stripe is out for a quarter of an hour, and a payment is stuck for two hours. docs/runbooks is followed to the letter: what its \
                 pages say is typed line by line, with the real `tollgate` command, until what they call over is over. The clock is moved.",
        seconds: 22,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_has_its_number_once_and_says_what_happened_and_what_is_played() {
        let numbers: Vec<_> = FINDINGS.iter().map(|finding| finding.number).collect();
        let expected = ["C1-6", "S1-5", "M1-4", "I1-3"].into_iter().flat_map(|range| {
            let (kind, last) = (&range[..1], range[3..].parse::<u32>().unwrap());
            (1..=last).map(move |number| format!("{kind}{number}"))
        });
        assert_eq!(numbers, expected.collect::<Vec<_>>());
        for finding in &FINDINGS {
            let texts = [finding.title, finding.before, finding.played];
            assert!(texts.iter().all(|text| !text.is_empty() && !text.contains("  ")), "{}", finding.number);
            assert!(finding.seconds > 0, "{}", finding.number);
        }
    }
}
