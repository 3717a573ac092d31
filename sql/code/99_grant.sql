-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Rights, and a look at what was defined.

-- What the broker's runtime role may do: rows, never definitions, and history only forwards. Called
-- by `pane-broker migrate` with the role of the configuration.
CREATE FUNCTION pane.grant_runtime(p_role text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE t record;
BEGIN
	IF p_role = current_user THEN
		RETURN; -- one role for both: a developer's database
	END IF;
	PERFORM FROM pg_roles WHERE rolname = p_role;
	IF NOT FOUND THEN
		BEGIN
			EXECUTE format('CREATE ROLE %I LOGIN', p_role);
		EXCEPTION WHEN insufficient_privilege THEN
			RAISE EXCEPTION 'role % does not exist and % may not create it; as a database '
				'administrator run: createuser %', p_role, current_user, p_role;
		END;
	END IF;
	EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA pane FROM %I', p_role);
	EXECUTE format('GRANT USAGE ON SCHEMA pane TO %I', p_role);
	FOR t IN SELECT relname, CASE
		WHEN relkind = 'v' OR relname IN ('migration', 'code') OR relname ~ '_(transition|timeout)$'
			THEN 'SELECT'
		WHEN relname IN ('event', 'audit') THEN 'SELECT, INSERT'
		ELSE 'SELECT, INSERT, UPDATE, DELETE' END AS rights
		FROM pg_class WHERE relnamespace = 'pane'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition
	LOOP
		EXECUTE format('GRANT %s ON pane.%I TO %I', t.rights, t.relname, p_role);
	END LOOP;
	EXECUTE format('REVOKE EXECUTE ON FUNCTION pane.grant_runtime(text) FROM PUBLIC, %I', p_role);
END $$;

-- What a function body names must be there.
DO $$
DECLARE x record;
BEGIN
	SET LOCAL check_function_bodies = on;
	FOR x IN SELECT p.oid, p.oid::regprocedure AS name, l.lanname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
		WHERE p.pronamespace = 'pane'::regnamespace
	LOOP
		IF x.lanname = 'sql' THEN
			PERFORM fmgr_sql_validator(x.oid);
		ELSE
			PERFORM plpgsql_validator(x.oid);
		END IF;
	END LOOP;
END $$;
