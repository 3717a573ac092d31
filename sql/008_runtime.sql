-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What the broker's runtime role may do: rows, never definitions, and history only forwards. Called
-- by `pane-broker migrate` with the role of the configuration.

CREATE FUNCTION pane.grant_runtime(p_role text) RETURNS void LANGUAGE plpgsql AS $$
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
	EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pane.users, pane.token, '
		'pane.throttle, pane.host, pane.host_generation, pane.host_image, pane.pool, '
		'pane.entitlement, pane.desktop, pane.assignment, pane.session, pane.ticket TO %I', p_role);
	EXECUTE format('GRANT SELECT, INSERT ON pane.event, pane.audit TO %I', p_role);
	EXECUTE format('GRANT SELECT ON pane.machine_timeout, pane.machine_transition, '
		'pane.session_timeout, pane.session_transition, pane.migration, pane.user_view, '
		'pane.pool_view, pane.desktop_view, pane.session_view, pane.host_view TO %I', p_role);
	EXECUTE format('REVOKE EXECUTE ON FUNCTION pane.grant_runtime(text) FROM PUBLIC, %I', p_role);
END $$;
