# Among equals the first name decides, and not that one is named as the capability.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: mailer
#>=Pkg: aa 1 1 noarch
#>=Prv: mailer
#>=Pkg: mailer 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install aa-1-1.noarch@available
