DROP TRIGGER execution_ends_without_open_frames ON executions;
DROP TRIGGER journal_is_final ON execution_steps;
DROP TRIGGER frame_terminal_is_final ON execution_frames;
DROP TRIGGER execution_terminal_is_final ON executions;
DROP FUNCTION director_refuse_open_frames();
DROP FUNCTION director_refuse_move();
