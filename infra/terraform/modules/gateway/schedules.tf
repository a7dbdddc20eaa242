locals {
  jobs = {
    # Every minute, and each works for 55 s: a run that failed is not tried again, for the next is as good.
    deliveries = { function = "webhook-delivery", schedule = "* * * * *", deadline = 180, retries = 0 }
    # At 02:00, and every hour after it in case it was cut off; once the day's settlement is over it only says so.
    settlement     = { function = "settlement", schedule = "0 2-23 * * *", deadline = 1800, retries = 3 }
    stuck-payments = { function = "reconciliation", schedule = "*/10 * * * *", deadline = 180, retries = 1 }
    # Not all at once, and not when the settlement starts.
    provider-truth = { function = "reconciliation", schedule = "20 * * * *", deadline = 180, retries = 3 }
    invariants     = { function = "reconciliation", schedule = "40 * * * *", deadline = 180, retries = 3 }
    # The providers' records of the hours before.
    provider-records = { function = "reconciliation", schedule = "50 * * * *", deadline = 180, retries = 3 }
    # Of the day before (UTC), once PayPal's report has all of it; the runs after the first go on with what that left.
    provider-records-day = { function = "reconciliation", schedule = "10 14-17 * * *", deadline = 180, retries = 3 }
  }
}

module "schedule" {
  source   = "../schedule"
  for_each = local.jobs

  project_id               = module.project.project_id
  region                   = var.region
  name                     = each.key
  schedule                 = each.value.schedule
  time_zone                = "Asia/Tokyo"
  function_url             = local.urls[each.value.function]
  account                  = google_service_account.caller["schedule"].email
  attempt_deadline_seconds = each.value.deadline
  retries                  = each.value.retries

  # A call before the invoker's role is there would only be refused.
  depends_on = [module.function]
}
