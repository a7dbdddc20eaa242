//! The simple ones of the runbooks' `PromQL`, on one process's `/metrics`: a sum or a maximum of a metric, by some labels. What grew in
//! a time is here what grew since the incident began.
//!
//! Must not know: which metrics there are.

use anyhow::{Context, bail};
use promql_parser::parser::{
    Expr, LabelModifier, parse,
    token::{T_GTR, T_MAX, T_SUM},
};

use crate::exposition::{Labels, Scrape, Selector};

/// What a query shows: a row's labels, and its value.
pub(super) type Rows = Vec<(Labels, f64)>;

/// Asks what `now` says, and what grew in it since `before`. `None`: a query that only Prometheus, or Google, can answer.
pub(super) fn ask(query: &str, before: &Scrape, now: &Scrape) -> anyhow::Result<Option<Rows>> {
    let parsed = parse(query).map_err(anyhow::Error::msg).with_context(|| format!("{query} is no PromQL"))?;
    if query.contains("googleapis_com:") {
        return Ok(None);
    }
    let Some(simple) = simple(parsed) else { return Ok(None) };
    let scrape = if simple.grown { now.since(before) } else { now.clone() };
    let mut rows = Rows::new();
    for sample in scrape.selected(&simple.selector) {
        let key: Labels = simple.by.iter().map(|label| (label.clone(), sample.label(label).to_owned())).collect();
        match rows.iter_mut().find(|(known, _)| *known == key) {
            None => rows.push((key, sample.value)),
            Some((_, value)) if simple.sums => *value += sample.value,
            Some((_, value)) => *value = value.max(sample.value),
        }
    }
    if rows.is_empty() {
        bail!("no series is what {query} asks for");
    }
    rows.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    rows.retain(|(_, value)| simple.above.is_none_or(|bound| *value > bound) && (!simple.grown || *value > 0.0));
    Ok(Some(rows))
}

/// `sum by (a) (rate(metric{b="c"}[5m]))`, `max(metric) > 1`.
struct Simple {
    sums: bool,
    by: Vec<String>,
    grown: bool,
    selector: Selector,
    above: Option<f64>,
}

fn simple(query: Expr) -> Option<Simple> {
    let (query, above) = match query {
        Expr::Binary(binary) if binary.op.id() == T_GTR => match *binary.rhs {
            Expr::NumberLiteral(bound) => (*binary.lhs, Some(bound.val)),
            _ => return None,
        },
        query => (query, None),
    };
    let Expr::Aggregate(aggregate) = query else { return None };
    let sums = match aggregate.op.id() {
        T_SUM => true,
        T_MAX => false,
        _ => return None,
    };
    let by = match aggregate.modifier {
        None => Vec::new(),
        Some(LabelModifier::Include(labels)) => labels.labels,
        Some(LabelModifier::Exclude(_)) => return None,
    };
    let (grown, selector) = match *aggregate.expr {
        Expr::VectorSelector(selector) => (false, selector),
        Expr::Call(mut call) if matches!(call.func.name, "rate" | "increase") => match *call.args.args.pop()? {
            Expr::MatrixSelector(matrix) => (true, matrix.vs),
            _ => return None,
        },
        _ => return None,
    };
    Some(Simple { sums, by, grown, selector: selector.into(), above })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Option<Vec<(String, f64)>> {
        let before = Scrape::parse("calls{at=\"a\",how=\"x\"} 1\n");
        let now =
            Scrape::parse("calls{at=\"a\",how=\"x\"} 3\ncalls{at=\"b\",how=\"y\"} 4\ncalls{at=\"b\",how=\"z\"} 0\n");
        let rows = ask(query, &before, &now).unwrap()?;
        Some(rows.into_iter().map(|(labels, value)| (labels.into_values().collect(), value)).collect())
    }

    #[test]
    fn sums_and_maxima_are_by_labels_and_what_grew_since_the_incident_began() {
        let row = |label: &str, value| (label.to_owned(), value);
        assert_eq!(asked("sum(calls)"), Some(vec![row("", 7.0)]));
        assert_eq!(asked("max by (at) (calls)"), Some(vec![row("b", 4.0), row("a", 3.0)]));
        assert_eq!(asked("max by (at) (calls) > 3"), Some(vec![row("b", 4.0)]));
        assert_eq!(asked("sum by (at) (rate(calls{how=\"x\"}[5m]))"), Some(vec![row("a", 2.0)]));
        assert_eq!(asked("max by (at) (calls{how=~\"x|z\"})"), Some(vec![row("a", 3.0), row("b", 0.0)]));
        assert_eq!(asked("max(spanner_googleapis_com:cpu)"), None);
        assert_eq!(asked("histogram_quantile(0.99, sum by (le) (rate(calls[5m])))"), None);
    }

    #[test]
    fn a_metric_that_nobody_shows_is_a_mistake_of_the_page() {
        for mistake in ["sum(call)", "sum(calls"] {
            assert!(ask(mistake, &Scrape::default(), &Scrape::parse("calls 1\n")).is_err(), "{mistake}");
        }
    }
}
