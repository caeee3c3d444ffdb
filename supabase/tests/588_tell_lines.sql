begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

prepare said as select freshness.tell_lines(
    '[{"data_type": "pgtap_quote", "symbols": ["A", "B"], "lines": ["one", "two"], "left_out": 3},
    {"data_type": "pgtap_quote", "symbols": ["A"], "lines": ["two"], "left_out": 0}]'
);
delete from freshness.listeners;
select results_eq('said', array[0], 'when nobody streams nobody is told');
select freshness.listen_for('pgtap_quote', array['A', 'B'], 4711);
select results_eq('said', array[0], 'those who wait are not told');
select freshness.listen_for('pgtap_quote', array['B', 'C'], 4711, true);
select results_eq('said', array[2], 'those who stream are, of their keys');
select freshness.listen_for('pgtap_quote', array['A'], 4711, true);
select freshness.listen_for('pgtap_quote', array['A'], 4712, true);
select results_eq('said', array[5], 'each line once, however many listen');
select freshness.listen_for('pgtap_quote', array[repeat('x', 9000)], 4711, true);
select is(
    freshness.tell_lines(
        jsonb_build_array(jsonb_build_object(
            'data_type', 'pgtap_quote', 'symbols', array[repeat('x', 9000), 'A'], 'lines', array['one'], 'left_out', 0
        ))
    ), 1, 'what cannot be notified harms nothing'
);
select is(
    freshness.tell_lines(
        jsonb_build_array(jsonb_build_object(
            'data_type', 'pgtap_quote', 'symbols', array['A'], 'lines', array[repeat(chr(1), 1000)], 'left_out', 0
        ))
    ), 1, 'a thousand characters always can'
);

select * from finish();
rollback;
