-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The files of this directory are the definitions of the schema: functions, views and triggers. They are
-- applied together, in one transaction, whenever any of them differs from what the database has; so each
-- thing is defined in one place and changed there. This file takes the old definitions away.

SET LOCAL check_function_bodies = off; -- they name each other; 99_grant.sql checks them all

DO $$
DECLARE x record;
BEGIN
	FOR x IN SELECT format('%I.%I', schemaname, viewname) AS name FROM pg_views WHERE schemaname = 'pane' LOOP
		EXECUTE 'DROP VIEW IF EXISTS ' || x.name || ' CASCADE'; -- views of views
	END LOOP;
	FOR x IN SELECT t.tgname, t.tgrelid::regclass AS name FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
		WHERE c.relnamespace = 'pane'::regnamespace AND NOT t.tgisinternal AND t.tgparentid = 0 -- of a whole, not of its parts
	LOOP
		EXECUTE format('DROP TRIGGER %I ON %s', x.tgname, x.name);
	END LOOP;
	FOR x IN SELECT p.oid::regprocedure AS name FROM pg_proc p WHERE p.pronamespace = 'pane'::regnamespace LOOP
		EXECUTE 'DROP FUNCTION ' || x.name;
	END LOOP;
END $$;
