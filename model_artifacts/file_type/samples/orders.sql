-- Orders of the last thirty days, by country.
CREATE TABLE IF NOT EXISTS orders (
    id          BIGINT PRIMARY KEY,
    customer_id BIGINT NOT NULL REFERENCES customers (id),
    placed_at   TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    total_cents INTEGER NOT NULL CHECK (total_cents >= 0)
);

SELECT c.country, COUNT(*) AS orders, SUM(o.total_cents) / 100.0 AS total
FROM orders AS o
JOIN customers AS c ON c.id = o.customer_id
WHERE o.placed_at > CURRENT_TIMESTAMP - INTERVAL '30 days'
GROUP BY c.country
ORDER BY total DESC
LIMIT 20;
