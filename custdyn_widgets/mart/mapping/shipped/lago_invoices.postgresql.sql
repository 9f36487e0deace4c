-- Lago on PostgreSQL (tested on 15): invoices and payments as a mart, for postpaid customers.
--
-- Based on: getlago/lago-api 1.51.0 (db/structure.sql up to migration 20260721180721).
-- Times: Lago stores UTC without an offset. DATE columns are not used.
-- For prepaid wallets there is the mapping lago. Use only one of them: together, they would count the same money twice.
--
-- Decisions
-- * This mart follows the invoices: the balance is the negative of what is due on finalized invoices. Invoices for
--   wallet credits, and all that are not finalized (drafts, void, failed), are left out and counted, with their
--   payments.
-- * Clients, types, companies, tags and deleted customers are as in the mapping lago.
-- * Fees count at their amount before coupons and taxes, when the invoice was finalized. Charges, add-ons and
--   commitments are usage; subscriptions, fixed charges and products are renewals of their plan. Free charges
--   produce no row.
-- * Fees of progressive invoices are "other": the invoice of the period charges the same usage again and deducts them.
-- * Taxes are "other". So is what an invoice deducts: coupons, credit notes, wallet credits, progressive invoices.
-- * Successful payments are refills. If an invoice without payments was paid, the amount is a refill at the time of its
--   last payment request. If there is no request, someone marked the invoice as paid: the refill is dated at its
--   finalization and counted below. If less was paid than the sum of the payments, the difference is "other".
-- * Credit notes that settle an invoice are "other". Refunds do not change a balance: the invoice stays paid.
-- * Lago has no set-up fee: a subscription that started is an activation of 0 at that time.
-- * stored_balance is the negative of the amount due according to Lago; there is no opening_balance.
-- Nothing is rounded: Lago stores whole subunits.

-- :name clients
WITH units (currency, subunits) AS (
    VALUES ('BIF', 1), ('CLP', 1), ('DJF', 1), ('GNF', 1), ('HUF', 1), ('ISK', 1), ('JPY', 1), ('KMF', 1), ('KRW', 1),
           ('MGA', 1), ('PYG', 1), ('RWF', 1), ('UGX', 1), ('VND', 1), ('VUV', 1), ('XAF', 1), ('XOF', 1), ('XPF', 1),
           ('BHD', 1000), ('JOD', 1000), ('KWD', 1000), ('TND', 1000), ('CLF', 10000)
),
customer AS (
    SELECT c.*, COALESCE(c.currency, e.default_currency) AS own_currency
    FROM customers c JOIN billing_entities e ON e.id = c.billing_entity_id
),
entity AS (
    SELECT id, CASE WHEN COUNT(*) OVER (PARTITION BY name) = 1 THEN name ELSE name || ' (' || id || ')' END AS company
    FROM billing_entities
),
settled AS (
    SELECT invoice_id, SUM(offset_amount_cents) AS cents FROM credit_notes WHERE status = 1 GROUP BY invoice_id
),
due AS (
    SELECT i.customer_id, i.currency,
           SUM((i.total_amount_cents - i.total_paid_amount_cents - COALESCE(s.cents, 0))
               / COALESCE(u.subunits, 100)::numeric) AS amount
    FROM (
        SELECT i.id, i.customer_id, COALESCE(i.currency, c.own_currency) AS currency, i.total_amount_cents,
               i.total_paid_amount_cents
        FROM invoices i JOIN customer c ON c.id = i.customer_id
        WHERE i.status = 1 AND i.invoice_type <> 2
    ) i
    LEFT JOIN settled s ON s.invoice_id = i.id
    LEFT JOIN units u ON u.currency = i.currency
    GROUP BY i.customer_id, i.currency
),
account AS (
    SELECT id AS customer_id, own_currency AS currency FROM customer
    UNION
    SELECT customer_id, currency FROM due
    UNION
    SELECT s.customer_id, p.amount_currency
    FROM subscriptions s JOIN plans p ON p.id = s.plan_id
    WHERE s.status IN (1, 2) AND s.started_at IS NOT NULL
),
label AS (
    SELECT customer_id, string_agg(replace(key || '=' || value, ';', '/'), ';' ORDER BY key, id) AS tags
    FROM customer_metadata
    GROUP BY customer_id
)
SELECT
    c.id || CASE WHEN a.currency = c.own_currency THEN '' ELSE ':' || a.currency END AS client_id,
    COALESCE(NULLIF(btrim(c.name), ''), NULLIF(btrim(c.legal_name), ''),
             NULLIF(btrim(concat_ws(' ', c.firstname, c.lastname)), ''), c.external_id) AS name,
    CASE c.account_type WHEN 'partner' THEN 'reseller' ELSE 'client' END AS client_type,
    e.company,
    l.tags,
    a.currency,
    c.created_at AT TIME ZONE 'UTC' AS created_at,
    c.deleted_at AT TIME ZONE 'UTC' AS closed_at,
    -d.amount AS stored_balance
FROM account a
JOIN customer c ON c.id = a.customer_id
JOIN entity e ON e.id = c.billing_entity_id
LEFT JOIN due d ON d.customer_id = a.customer_id AND d.currency = a.currency
LEFT JOIN label l ON l.customer_id = a.customer_id;

-- :name transactions
WITH units (currency, subunits) AS (
    VALUES ('BIF', 1), ('CLP', 1), ('DJF', 1), ('GNF', 1), ('HUF', 1), ('ISK', 1), ('JPY', 1), ('KMF', 1), ('KRW', 1),
           ('MGA', 1), ('PYG', 1), ('RWF', 1), ('UGX', 1), ('VND', 1), ('VUV', 1), ('XAF', 1), ('XOF', 1), ('XPF', 1),
           ('BHD', 1000), ('JOD', 1000), ('KWD', 1000), ('TND', 1000), ('CLF', 10000)
),
customer AS (
    SELECT c.id, COALESCE(c.currency, e.default_currency) AS own_currency
    FROM customers c JOIN billing_entities e ON e.id = c.billing_entity_id
),
bill AS (
    SELECT i.id, i.invoice_type, i.total_amount_cents, i.total_paid_amount_cents,
           COALESCE(u.subunits, 100)::numeric AS subunits,
           c.id || CASE WHEN COALESCE(i.currency, c.own_currency) = c.own_currency THEN '' ELSE ':' || i.currency END
               AS client_id,
           COALESCE(i.finalized_at, i.created_at) AT TIME ZONE 'UTC' AS at
    FROM invoices i
    JOIN customer c ON c.id = i.customer_id
    LEFT JOIN units u ON u.currency = COALESCE(i.currency, c.own_currency)
    WHERE i.status = 1 AND i.invoice_type <> 2
),
fee AS (
    SELECT f.id, f.invoice_id, f.amount_cents, f.taxes_amount_cents, f.fee_type, f.subscription_id
    FROM fees f
    WHERE f.deleted_at IS NULL
),
charged AS (
    SELECT invoice_id, SUM(amount_cents + taxes_amount_cents) AS cents FROM fee GROUP BY invoice_id
),
paid AS (
    SELECT payable_id AS invoice_id, SUM(amount_cents) AS cents
    FROM payments
    WHERE payable_type = 'Invoice' AND payable_payment_status = 'succeeded'
    GROUP BY payable_id
),
requested AS (
    SELECT r.invoice_id, MAX(p.created_at) AT TIME ZONE 'UTC' AS at
    FROM invoices_payment_requests r
    JOIN payments p ON p.payable_id = r.payment_request_id
    WHERE p.payable_type = 'PaymentRequest' AND p.payable_payment_status = 'succeeded'
    GROUP BY r.invoice_id
),
plan AS (
    SELECT s.id AS subscription_id, COALESCE(parent.id, p.id)::text AS package_id
    FROM subscriptions s JOIN plans p ON p.id = s.plan_id LEFT JOIN plans parent ON parent.id = p.parent_id
)
SELECT 'fees:' || f.id AS transaction_id, b.client_id, b.at,
       CASE WHEN b.invoice_type = 5 THEN 'other' WHEN f.fee_type IN (2, 5, 6) THEN 'package_renewal'
            ELSE 'usage' END AS kind,
       -f.amount_cents / b.subunits AS amount,
       CASE WHEN b.invoice_type <> 5 AND f.fee_type IN (2, 5, 6) THEN p.package_id END AS package_id
FROM fee f JOIN bill b ON b.id = f.invoice_id LEFT JOIN plan p ON p.subscription_id = f.subscription_id
WHERE f.amount_cents <> 0 OR (b.invoice_type <> 5 AND f.fee_type IN (2, 5, 6))
UNION ALL
SELECT 'fees:' || f.id || ':tax', b.client_id, b.at, 'other', -f.taxes_amount_cents / b.subunits, NULL
FROM fee f JOIN bill b ON b.id = f.invoice_id
WHERE f.taxes_amount_cents <> 0
UNION ALL
SELECT 'invoices:' || b.id || ':deducted', b.client_id, b.at, 'other',
       (COALESCE(c.cents, 0) - b.total_amount_cents) / b.subunits, NULL
FROM bill b LEFT JOIN charged c ON c.invoice_id = b.id
WHERE COALESCE(c.cents, 0) <> b.total_amount_cents
UNION ALL
SELECT 'payments:' || p.id, b.client_id, p.created_at AT TIME ZONE 'UTC', 'refill', p.amount_cents / b.subunits, NULL
FROM payments p JOIN bill b ON b.id = p.payable_id
WHERE p.payable_type = 'Invoice' AND p.payable_payment_status = 'succeeded'
UNION ALL
SELECT 'invoices:' || b.id || ':paid', b.client_id, COALESCE(r.at, b.at),
       CASE WHEN b.total_paid_amount_cents > COALESCE(p.cents, 0) THEN 'refill' ELSE 'other' END,
       (b.total_paid_amount_cents - COALESCE(p.cents, 0)) / b.subunits, NULL
FROM bill b LEFT JOIN paid p ON p.invoice_id = b.id LEFT JOIN requested r ON r.invoice_id = b.id
WHERE b.total_paid_amount_cents <> COALESCE(p.cents, 0)
UNION ALL
SELECT 'credit_notes:' || n.id, b.client_id, n.created_at AT TIME ZONE 'UTC', 'other',
       n.offset_amount_cents / b.subunits, NULL
FROM credit_notes n JOIN bill b ON b.id = n.invoice_id
WHERE n.status = 1 AND n.offset_amount_cents <> 0
UNION ALL
SELECT 'subscriptions:' || s.id,
       c.id || CASE WHEN p.amount_currency = c.own_currency THEN '' ELSE ':' || p.amount_currency END,
       s.started_at AT TIME ZONE 'UTC', 'package_activation', 0, n.package_id
FROM subscriptions s
JOIN customer c ON c.id = s.customer_id
JOIN plans p ON p.id = s.plan_id
JOIN plan n ON n.subscription_id = s.id
WHERE s.status IN (1, 2) AND s.started_at IS NOT NULL;

-- :name packages
SELECT p.id::text AS package_id, p.name
FROM plans p LEFT JOIN plans parent ON parent.id = p.parent_id
WHERE parent.id IS NULL;

-- :name companies
SELECT CASE WHEN COUNT(*) OVER (PARTITION BY name) = 1 THEN name ELSE name || ' (' || id || ')' END AS company
FROM billing_entities;

-- :count {n} invoices that are not finalized, or that bought wallet credits, were left out.
SELECT COUNT(*) FROM invoices WHERE status <> 1 OR invoice_type = 2;

-- :count {n} invoices have a paid amount that differs from the sum of their payments; the difference is dated at their finalization.
SELECT COUNT(*)
FROM invoices i
LEFT JOIN (
    SELECT payable_id, SUM(amount_cents) AS cents FROM payments
    WHERE payable_type = 'Invoice' AND payable_payment_status = 'succeeded' GROUP BY payable_id
) p ON p.payable_id = i.id
WHERE i.status = 1 AND i.invoice_type <> 2 AND i.total_paid_amount_cents <> COALESCE(p.cents, 0) AND NOT EXISTS (
    SELECT 1 FROM invoices_payment_requests r JOIN payments q ON q.payable_id = r.payment_request_id
    WHERE r.invoice_id = i.id AND q.payable_type = 'PaymentRequest' AND q.payable_payment_status = 'succeeded'
);

-- :count {n} payments did not succeed and were left out.
SELECT COUNT(*) FROM payments WHERE payable_payment_status IS DISTINCT FROM 'succeeded';
