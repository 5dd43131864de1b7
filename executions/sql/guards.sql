-- Terminal states are final in the database, whoever writes; and a run completes only when nothing of it is open.
-- The conditions are in the triggers' WHEN, so a row that changes nothing of the kind costs nothing.

CREATE OR REPLACE FUNCTION director_refuse_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% %: % is final and cannot become %', TG_TABLE_NAME, OLD.id, OLD.status, NEW.status
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER execution_terminal_is_final BEFORE UPDATE OF status ON executions FOR EACH ROW
    WHEN (OLD.status IN ('completed', 'failed', 'cancelled') AND NEW.status IS DISTINCT FROM OLD.status)
    EXECUTE FUNCTION director_refuse_move();

-- A failed frame may become ready again: a retry while its iterate is open.
CREATE TRIGGER frame_terminal_is_final BEFORE UPDATE OF status ON execution_frames FOR EACH ROW
    WHEN (NEW.status IS DISTINCT FROM OLD.status AND (
        OLD.status IN ('complete', 'skipped', 'cancelled') OR (OLD.status = 'failed' AND NEW.status <> 'ready')))
    EXECUTE FUNCTION director_refuse_move();

-- An interrupted step is the one that a person may still decide.
CREATE TRIGGER journal_is_final BEFORE UPDATE OF status ON execution_steps FOR EACH ROW
    WHEN (OLD.status NOT IN ('running', 'interrupted') AND NEW.status IS DISTINCT FROM OLD.status)
    EXECUTE FUNCTION director_refuse_move();

CREATE OR REPLACE FUNCTION director_refuse_open_frames() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM execution_frames WHERE execution_id = NEW.id AND status IN ('ready', 'running', 'waiting')) THEN
        RAISE EXCEPTION 'execution % cannot become %: some of its frames are still open', NEW.number, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER execution_ends_without_open_frames BEFORE UPDATE OF status ON executions FOR EACH ROW
    WHEN (NEW.status IN ('completed', 'failed', 'cancelled') AND OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION director_refuse_open_frames();
