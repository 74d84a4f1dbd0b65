-- Lists carry at most 20 prices of a show: a layout of 30,000 sections made every list 1.8 MB.

ALTER TABLE layouts ADD COLUMN listed_prices text;       -- JSON as prices, for lists; null: all of prices
UPDATE layouts SET listed_prices = (
    SELECT jsonb_agg(section ORDER BY place)::text FROM (
        SELECT section, place FROM (
            SELECT DISTINCT ON (section -> 'price') section, place
              FROM jsonb_array_elements(prices::jsonb) WITH ORDINALITY AS t (section, place)
             ORDER BY section -> 'price', place) first_of_price
         ORDER BY place LIMIT 20) listed)
 WHERE jsonb_array_length(prices::jsonb) > 20;
