mock_provider "google" {}

variables {
  project_id    = "tollgate-test"
  configuration = "regional-asia-northeast1"
}

run "as_it_comes" {
  command = apply

  # The database cannot be dropped.
  assert {
    condition     = google_spanner_database.this.enable_drop_protection == true && google_spanner_database.this.deletion_protection == true
    error_message = "drop protection is off"
  }
  assert {
    condition     = google_spanner_instance.this.force_destroy == false
    error_message = "the instance takes its backups with it"
  }

  # It can be read as it was.
  assert {
    # RPO: 5 minutes. Whoever notices has three days at least.
    condition     = tonumber(trimsuffix(google_spanner_database.this.version_retention_period, "h")) * 60 >= 5 && tonumber(trimsuffix(google_spanner_database.this.version_retention_period, "h")) >= 72
    error_message = "the point in time recovery window is too short"
  }

  # Backups are made daily and in between.
  assert {
    condition     = google_spanner_backup_schedule.daily.spec[0].cron_spec[0].text == "0 19 * * *" && length(google_spanner_backup_schedule.daily.full_backup_spec) == 1 && google_spanner_backup_schedule.daily.retention_duration == "2592000s"
    error_message = "no daily full backup that is kept for 30 days"
  }
  assert {
    condition     = length(google_spanner_backup_schedule.between[0].incremental_backup_spec) == 1
    error_message = "nothing between the daily backups"
  }

  # It is empty and grows by itself.
  assert {
    condition     = try(length(google_spanner_database.this.ddl), 0) == 0
    error_message = "tollgate migrate owns the tables"
  }
  assert {
    condition     = google_spanner_instance.this.autoscaling_config[0].autoscaling_limits[0].max_processing_units == 3000 && google_spanner_instance.this.autoscaling_config[0].autoscaling_targets[0].high_priority_cpu_utilization_percent <= 65
    error_message = "it does not grow, or too late"
  }
}

run "a_window_below_three_days_is_refused" {
  command = plan
  variables {
    point_in_time_recovery_hours = 1
  }
  expect_failures = [var.point_in_time_recovery_hours]
}

run "a_small_one_that_does_not_grow_is_kept_as_well" {
  command = apply
  variables {
    min_processing_units = 100
    max_processing_units = 100
  }
  assert {
    condition     = google_spanner_instance.this.processing_units == 100 && length(google_spanner_instance.this.autoscaling_config) == 0 && google_spanner_instance.this.edition == "STANDARD"
    error_message = "it grows, or costs more than it needs"
  }
  assert {
    condition     = google_spanner_database.this.enable_drop_protection && length(google_spanner_backup_schedule.daily.full_backup_spec) == 1
    error_message = "a restore cannot be rehearsed on it"
  }
}

run "what_grows_starts_at_a_node" {
  command = plan
  variables {
    min_processing_units = 500
    max_processing_units = 1000
  }
  expect_failures = [var.max_processing_units]
}
