mock_provider "google" {}

variables {
  project_id = "tollgate-test-production"
  region     = "asia-northeast1"
  functions  = ["payments", "settlement"]
  staging    = { project_id = "tollgate-test-staging", project_number = "111111111111" }
  production = {
    project_id     = "tollgate-test-production"
    project_number = "222222222222"
    alert_policies = ["projects/tollgate-test-production/alertPolicies/1", "projects/tollgate-test-production/alertPolicies/2"]
  }
}

run "as_it_comes" {
  command = apply

  # Staging comes first and is verified.
  assert {
    condition     = alltrue([for it in google_clouddeploy_delivery_pipeline.this : it.serial_pipeline[0].stages[*].target_id == tolist(["tollgate-staging", "tollgate-production"])])
    error_message = "production before staging"
  }
  assert {
    condition     = alltrue([for it in google_clouddeploy_delivery_pipeline.this : it.serial_pipeline[0].stages[0].strategy[0].standard[0].verify])
    error_message = "staging is not verified"
  }
  assert {
    condition     = google_clouddeploy_target.production.require_approval == true
    error_message = "nobody is asked before production"
  }

  # Production is a canary of ten minutes a step.
  assert {
    condition     = alltrue([for it in google_clouddeploy_delivery_pipeline.this : [for phase in it.serial_pipeline[0].stages[1].strategy[0].canary[0].custom_canary_deployment[0].phase_configs : phase.percentage] == [10, 50, 100]])
    error_message = "the steps are 10, 50 and 100 per cent"
  }
  assert {
    condition     = alltrue(flatten([for it in google_clouddeploy_delivery_pipeline.this : [for phase in it.serial_pipeline[0].stages[1].strategy[0].canary[0].custom_canary_deployment[0].phase_configs : phase.analysis[0].duration == "600s"]]))
    error_message = "a step is not watched for 10 minutes"
  }
  assert {
    condition     = alltrue([for it in google_clouddeploy_delivery_pipeline.this : it.serial_pipeline[0].stages[1].strategy[0].canary[0].runtime_config[0].cloud_run[0].automatic_traffic_control])
    error_message = "nobody moves the traffic"
  }
  assert {
    # The last one must be called so.
    condition     = alltrue([for it in google_clouddeploy_delivery_pipeline.this : [for phase in it.serial_pipeline[0].stages[1].strategy[0].canary[0].custom_canary_deployment[0].phase_configs : phase.phase_id] == ["canary-10", "canary-50", "stable"]])
    error_message = "other steps"
  }

  # Every step is verified and watched by alerts.
  assert {
    condition     = alltrue(flatten([for it in google_clouddeploy_delivery_pipeline.this : [for phase in it.serial_pipeline[0].stages[1].strategy[0].canary[0].custom_canary_deployment[0].phase_configs : phase.verify && length(phase.verify_config) == 1]]))
    error_message = "a step without a payment"
  }
  assert {
    condition     = alltrue(flatten([for it in google_clouddeploy_delivery_pipeline.this : [for phase in it.serial_pipeline[0].stages[1].strategy[0].canary[0].custom_canary_deployment[0].phase_configs : try(length(phase.analysis[0].google_cloud[0].alert_policy_checks[0].alert_policies), 0) == 2]]))
    error_message = "a step that no alert ends"
  }
  assert {
    condition     = strcontains(join(" ", google_clouddeploy_delivery_pipeline.this["payments"].serial_pipeline[0].stages[1].strategy[0].canary[0].custom_canary_deployment[0].phase_configs[0].verify_config[0].tasks[0].container[0].args), "https://canary---tollgate-payments-222222222222.asia-northeast1.run.app")
    error_message = "the verifier asks the old revision nine times out of ten"
  }
  assert {
    condition     = !strcontains(join(" ", google_clouddeploy_delivery_pipeline.this["payments"].serial_pipeline[0].stages[1].strategy[0].canary[0].custom_canary_deployment[0].phase_configs[2].verify_config[0].tasks[0].container[0].args), "canary---")
    error_message = "once it is stable there is no canary to ask"
  }

  # It goes on and back by itself.
  assert {
    condition     = alltrue([for it in google_clouddeploy_automation.advance : it.rules[0].advance_rollout_rule[0].source_phases == tolist(["canary-10", "canary-50"])])
    error_message = "a canary stays where it is"
  }
  assert {
    condition     = alltrue([for it in google_clouddeploy_automation.rollback : it.rules[0].repair_rollout_rule[0].repair_phases[0].rollback[0].destination_phase == "stable"])
    error_message = "a failed step stays in front of merchants"
  }
  assert {
    condition     = alltrue(flatten([for it in concat(values(google_clouddeploy_automation.advance), values(google_clouddeploy_automation.rollback)) : it.selector[0].targets[*].id == tolist(["tollgate-production"])]))
    error_message = "it advances something else"
  }
  assert {
    condition     = length(google_clouddeploy_automation.rollback) == 2
    error_message = "a function without a rollback"
  }
}

run "all_at_once_is_no_canary" {
  command = plan
  variables {
    canary_percentages = []
  }
  expect_failures = [var.canary_percentages]
}

run "shares_grow" {
  command = plan
  variables {
    canary_percentages = [50, 10]
  }
  expect_failures = [var.canary_percentages]
}

run "a_step_is_longer_than_what_alerts_look_at" {
  command = plan
  variables {
    phase_minutes = 3
  }
  expect_failures = [var.phase_minutes]
}
