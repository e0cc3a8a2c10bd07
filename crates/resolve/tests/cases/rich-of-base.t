# A rich dependency of the base holds for what is added.
repo system 0 testtags <inline>
#>=Pkg: desktop 1 1 noarch
#>=Req: (langpack if office)
repo available 0 testtags <inline>
#>=Pkg: office 1 1 noarch
#>=Pkg: langpack 1 1 noarch
system x86_64 rpm system
job install name office
result transaction,problems <inline>
#>install office-1-1.noarch@available
#>install langpack-1-1.noarch@available
