use std::collections::HashMap;
use std::io::{self, BufRead};

/// Counts words on standard input, most frequent first.
fn main() -> io::Result<()> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for line in io::stdin().lock().lines() {
        for word in line?.split_whitespace() {
            *counts.entry(word.to_lowercase()).or_insert(0) += 1;
        }
    }
    let mut ordered: Vec<_> = counts.into_iter().collect();
    ordered.sort_by(|a, b| b.1.cmp(&a.1));
    for (word, count) in ordered.iter().take(10) {
        println!("{count:>6} {word}");
    }
    Ok(())
}
