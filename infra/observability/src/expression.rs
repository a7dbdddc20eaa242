//! What an expression asks for: which metrics, and which labels of them.
//!
//! Must not know: which metrics there are.

use std::collections::BTreeSet;

use promql_parser::{
    label::MatchOp,
    parser::{self, Expr, LabelModifier, VectorMatchCardinality, VectorSelector},
};

/// One selector in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// The metric.
    pub metric: String,
    /// The labels that it matches.
    pub labels: BTreeSet<String>,
    /// Which values it asks of a label, where it names them.
    pub values: Vec<(String, String)>,
}

/// What is in an expression.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Its selectors.
    pub selectors: Vec<Selector>,
    /// Labels that it groups or matches by, each with the metrics below it.
    pub grouped: Vec<(String, BTreeSet<String>)>,
}

/// Reads an expression.
pub fn read(expression: &str) -> Result<Asked, String> {
    let tree = parser::parse(expression)?;
    let mut asked = Asked::default();
    walk(&tree, &mut asked);
    Ok(asked)
}

/// Answers the metrics below.
fn walk(tree: &Expr, asked: &mut Asked) -> BTreeSet<String> {
    match tree {
        Expr::Aggregate(aggregate) => {
            let below = walk(&aggregate.expr, asked);
            group(aggregate.modifier.as_ref(), &below, asked);
            below
        }
        Expr::Unary(unary) => walk(&unary.expr, asked),
        Expr::Binary(binary) => {
            let (left, right) = (walk(&binary.lhs, asked), walk(&binary.rhs, asked));
            let below: BTreeSet<String> = left.union(&right).cloned().collect();
            if let Some(modifier) = &binary.modifier {
                group(modifier.matching.as_ref(), &below, asked);
                if let VectorMatchCardinality::ManyToOne(labels) | VectorMatchCardinality::OneToMany(labels) =
                    &modifier.card
                {
                    asked.grouped.extend(labels.labels.iter().map(|label| (label.clone(), below.clone())));
                }
            }
            below
        }
        Expr::Paren(paren) => walk(&paren.expr, asked),
        Expr::Subquery(subquery) => walk(&subquery.expr, asked),
        Expr::VectorSelector(selector) => select(selector, asked),
        Expr::MatrixSelector(matrix) => select(&matrix.vs, asked),
        Expr::Call(call) => call.args.args.iter().flat_map(|argument| walk(argument, asked)).collect(),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => BTreeSet::new(),
    }
}

fn group(modifier: Option<&LabelModifier>, below: &BTreeSet<String>, asked: &mut Asked) {
    if let Some(LabelModifier::Include(labels) | LabelModifier::Exclude(labels)) = modifier {
        asked.grouped.extend(labels.labels.iter().map(|label| (label.clone(), below.clone())));
    }
}

fn select(selector: &VectorSelector, asked: &mut Asked) -> BTreeSet<String> {
    let matchers = selector.matchers.matchers.iter().chain(selector.matchers.or_matchers.iter().flatten());
    let (mut labels, mut values) = (BTreeSet::new(), Vec::new());
    for matcher in matchers {
        labels.insert(matcher.name.clone());
        let asked_for: Vec<&str> = match matcher.op {
            MatchOp::Equal => vec![&matcher.value],
            MatchOp::Re(_) => matcher.value.split('|').filter(|word| is_plain(word)).collect(),
            MatchOp::NotEqual | MatchOp::NotRe(_) => Vec::new(),
        };
        values.extend(asked_for.into_iter().map(|value| (matcher.name.clone(), value.to_owned())));
    }
    let metric = selector.name.clone().unwrap_or_default();
    asked.selectors.push(Selector { metric: metric.clone(), labels, values });
    BTreeSet::from([metric])
}

/// Whether an alternative of a regular expression is just that word.
fn is_plain(word: &str) -> bool {
    word.chars().all(|character| character.is_ascii_alphanumeric() || "_-/".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_found_with_their_labels_wherever_they_are() {
        let asked = read(
            r#"sum by (a) (rate(x{b="1",c!~"2"}[5m] offset 1h)) / on (d) group_left (e) max(y:z) > 0 or absent(w{f="3"})"#,
        )
        .unwrap();
        let found: Vec<_> = asked.selectors.iter().map(|selector| selector.metric.as_str()).collect();
        assert_eq!(found, ["x", "y:z", "w"]);
        assert_eq!(asked.selectors[0].labels, BTreeSet::from(["b".to_owned(), "c".to_owned()]));
        let grouped: Vec<_> = asked.grouped.iter().map(|(label, _)| label.as_str()).collect();
        assert_eq!(grouped, ["a", "d", "e"]);
    }
}
